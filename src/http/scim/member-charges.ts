/** Counts the members that a request names, reads or changes, as requests that change something. */
import type { MemberCharges } from '../../organizations/groups/change-memberships.ts';
import type { Runtime } from '../../runtime.ts';
import { limitOf, tooMany } from '../limits/rate-limits.ts';
import { type Call, limitedOf } from './call.ts';

/** Members that count as one request, in addition to the request itself. */
const MEMBERS_PER_POINT = 10;

export function memberCharges(runtime: Runtime, { principal }: Call): MemberCharges {
  let charged = 0;
  const count = async (members: number): Promise<number | undefined> => {
    const points = Math.floor((charged + members) / MEMBERS_PER_POINT) - Math.floor(charged / MEMBERS_PER_POINT);
    charged += members;
    if (!runtime.config.rateLimits || points === 0) return undefined;
    return limitOf(runtime, 'scim_changes', limitedOf(principal)).count(points);
  };
  return {
    require: async (members) => {
      const waitMs = await count(members);
      if (waitMs !== undefined) throw tooMany(waitMs);
    },
    note: async (members) => {
      await count(members);
    },
  };
}

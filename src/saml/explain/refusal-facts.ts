import type { GatewayError } from '../../errors.ts';
import type { CheckFacts } from '../response/run-checks.ts';

/** What a refusal tells owners and operators. */
export interface RefusalFacts extends CheckFacts {
  readonly detail?: string;
}

export function refusalFactsOf({
  facts: { detail: userDetail, administratorDetail, wanted, got },
}: Pick<GatewayError, 'facts'>): RefusalFacts {
  const detail = administratorDetail ?? userDetail;
  return {
    ...(detail === undefined ? {} : { detail }),
    ...(wanted === undefined ? {} : { wanted }),
    ...(got === undefined ? {} : { got }),
  };
}

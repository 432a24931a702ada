/** Members: people in one organization. A member's record is the one place that says what they may do and what is still theirs. */
import { type Actor, type AuditEntry, type AuditEvent, auditStep } from '../audit.ts';
import { GatewayError } from '../errors.ts';
import { hashOf } from '../ids.ts';
import type { Runtime } from '../runtime.ts';
import type { NameId } from '../saml/response/name-id.ts';
import type { Person } from '../saml/response/person.ts';
import { compareAndSet, RETRY } from '../store/compare-and-set.ts';
import { confirmReplicated } from '../store/confirm-replicated.ts';
import { eachRecord } from '../store/each-record.ts';
import type { Collection, Page, Step, Store, Stored } from '../store/store.ts';
import { organizationIds } from './directory.ts';
import { ORGANIZATION, ORGANIZATION_RECORD } from './organizations.ts';
import type { Role, RoleDecision } from './role-mapping.ts';

/** Why a member has the role: the rule of this group, the default, or an owner's or the operator's word where no rule matched. */
export type RoleSource = { readonly kind: 'rule'; readonly group: string } | { readonly kind: 'default' } | { readonly kind: 'manual' };

/** A browser's login. It is good as long as it stands in its member's record. */
export interface MemberSession {
  readonly id: string;
  readonly createdAtMs: number;
  /** Absolute end. */
  readonly endsAtMs: number;
  readonly address?: string | undefined;
  readonly userAgent?: string | undefined;
  /** Who signed the person in. */
  readonly idpEntityId?: string | undefined;
  /** What single logout names, with all that the assertion said of it. */
  readonly nameId?: NameId | undefined;
  readonly sessionIndex?: string | undefined;
}

/** A CLI token. It is good as long as it stands in its member's record; the token itself is kept nowhere. */
export interface CliToken {
  /** The token's `jti`. */
  readonly id: string;
  readonly name: string;
  /** Which key signed it. */
  readonly kid: string;
  readonly createdAtMs: number;
  /** The token's `exp`, where it has one. */
  readonly expiresAtMs?: number | undefined;
}

/** A session token that was revoked before its end; kept until then. */
export interface RevokedSessionToken {
  readonly jti: string;
  readonly expiresAtMs: number;
}

export interface Member {
  readonly id: string;
  /** Identity provider and stable identifier: who this is, at the next login as well. */
  readonly identity: string;
  readonly email: string;
  readonly name: string;
  /** `none`: a known person whose groups gave no role at the last login; nothing of theirs is good. */
  readonly role: Role | 'none';
  readonly roleSource: RoleSource;
  /** As of the last login. */
  readonly groups: readonly string[];
  readonly groupsState: Person['groupsState'];
  readonly suspended: boolean;
  readonly createdAt: string;
  readonly lastLoginAt: string;
  readonly sessions: readonly MemberSession[];
  /** Oldest first. */
  readonly cliTokens: readonly CliToken[];
  readonly revokedSessionTokens?: readonly RevokedSessionToken[];
}

export const MEMBERS: Collection<Member> = {
  name: 'member',
  indexes: {
    email: (member) => [member.email.toLowerCase()],
    activeRole: (member) => (isActive(member) ? [member.role] : []),
    nameId: (member) => member.sessions.flatMap(nameIdKeys),
    holdsTokens: (member) => (member.cliTokens.length > 0 ? [''] : []),
  },
  unique: { identity: (member) => [member.identity] },
};

const nameIdKeys = ({ idpEntityId, nameId }: MemberSession): string[] =>
  idpEntityId === undefined || !nameId ? [] : [nameIdKey(idpEntityId, nameId)];

/** Whether anything that this member holds is good. */
export const isActive = (member: Member): boolean => !member.suspended && member.role !== 'none';

/** A rule always decides. Where none matches and the default lets people in, an owner's word stands; without one the default does. */
export function roleBy(
  decision: RoleDecision,
  before: Pick<Member, 'role' | 'roleSource'> | undefined,
): Pick<Member, 'role' | 'roleSource'> {
  if (decision.group !== undefined) return { role: decision.role, roleSource: { kind: 'rule', group: decision.group } };
  if (decision.role !== 'none' && before?.roleSource.kind === 'manual' && before.role !== 'none')
    return { role: before.role, roleSource: before.roleSource };
  return { role: decision.role, roleSource: { kind: 'default' } };
}

/** Sessions that have not come to their end, newest first. */
export const liveSessions = ({ sessions }: Member, nowMs: number): MemberSession[] =>
  sessions.filter(({ endsAtMs }) => endsAtMs > nowMs).toReversed();

/** Where the members are found who have a session by this NameID. */
export const nameIdKey = (idpEntityId: string, { value }: NameId): string => hashOf(idpEntityId, value);

/** The key of a person: an identity provider vouches for its own people only. Hashed, as both parts may be long. */
export const identityKey = (idpEntityId: string, person: Person): string => hashOf(idpEntityId, person.identity);

/** @throws not_found */
export async function getMember(store: Store, organizationId: string, id: string): Promise<Stored<Member>> {
  const member = await store.get(organizationId, MEMBERS, id);
  if (!member) throw noSuchMember();
  return member;
}

const noSuchMember = () => new GatewayError('not_found', 'There is no such member.');

/** How many CLI tokens, of all organizations, live by each signing key. Reads every member who has one: for the operator, not for a check. */
export async function countCliTokensByKey(store: Store, nowMs: number): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  for await (const organizationId of organizationIds(store)) {
    for await (const { value } of eachRecord(store, { partition: organizationId, collection: MEMBERS, index: 'holdsTokens' })) {
      for (const { kid, expiresAtMs } of value.cliTokens) {
        if (expiresAtMs === undefined || expiresAtMs > nowMs) counts.set(kid, (counts.get(kid) ?? 0) + 1);
      }
    }
  }
  return counts;
}

export interface MemberQuery {
  /** Exact address, upper and lower case alike. */
  readonly email?: string | undefined;
  /** A part of name or address. */
  readonly query?: string | undefined;
  readonly limit: number;
  readonly cursor?: string | undefined;
}

const PAGES_AT_A_TIME = 100;
const SCANNED_PAGE = 200;

/**
 * By address. With `query` 20,000 members are looked through at a time, so that a page may be short though there is more;
 * `nextCursor` alone tells. A query that is a member's id finds that member.
 */
export async function listMembers(store: Store, organizationId: string, ask: MemberQuery): Promise<Page<Member>> {
  const equals = ask.email === undefined ? {} : { equals: ask.email.toLowerCase() };
  if (ask.query === undefined) return store.find(organizationId, MEMBERS, 'email', { ...equals, limit: ask.limit, cursor: ask.cursor });
  if (/^usr_[0-9a-z]{20}$/.test(ask.query)) return onlyMember(await store.get(organizationId, MEMBERS, ask.query));
  const needle = ask.query.toLowerCase();
  const items: Stored<Member>[] = [];
  let { cursor } = ask;
  for (let pages = 0; pages < PAGES_AT_A_TIME; pages++) {
    const range = { ...equals, limit: SCANNED_PAGE, cursor };
    const page = await store.find(organizationId, MEMBERS, 'email', range);
    const fitting = [...page.items.entries()].filter(([, { value }]) => `${value.name}\n${value.email}`.toLowerCase().includes(needle));
    const taken = fitting.slice(0, ask.limit - items.length);
    items.push(...taken.map(([, member]) => member));
    const [at = 0] = taken.at(-1) ?? [];
    if (items.length === ask.limit && at + 1 < page.items.length) {
      // The page is full before its end: the next one goes on right behind its last member.
      return { items, nextCursor: (await store.find(organizationId, MEMBERS, 'email', { ...range, limit: at + 1 })).nextCursor };
    }
    if (items.length === ask.limit || page.nextCursor === null) return { items, nextCursor: page.nextCursor };
    cursor = page.nextCursor;
  }
  return { items, nextCursor: cursor ?? null };
}

const onlyMember = (member: Stored<Member> | undefined): Page<Member> => ({ items: member ? [member] : [], nextCursor: null });

export interface MemberChanges {
  readonly role?: Role | undefined;
  readonly suspended?: boolean | undefined;
}

/**
 * Changes role or suspension. A suspension ends all sessions; CLI tokens are refused while it lasts.
 * @throws not_found; conflict where a role rule decides the role, and for the last owner
 */
export async function changeMember(
  runtime: Runtime,
  actor: Actor,
  organizationId: string,
  id: string,
  changes: MemberChanges,
): Promise<Member> {
  return writeMember(runtime, organizationId, id, ({ value: member, version }) => {
    const events: [AuditEvent, AuditEntry['details']][] = [];
    let after = member;
    if (changes.role !== undefined && changes.role !== member.role) {
      if (member.roleSource.kind === 'rule') {
        throw new GatewayError(
          'conflict',
          'A role rule decides this member’s role. Change the rule, or the person’s groups at the identity provider.',
        );
      }
      after = { ...after, role: changes.role, roleSource: { kind: 'manual' } };
      events.push(['member.role_changed', { from: member.role, to: changes.role }]);
    }
    if (changes.suspended !== undefined && changes.suspended !== member.suspended) {
      after = { ...after, suspended: changes.suspended, sessions: changes.suspended ? [] : after.sessions };
      events.push([changes.suspended ? 'member.suspended' : 'member.unsuspended', undefined]);
    }
    if (events.length === 0) return undefined;
    const steps: Step[] = [
      { do: 'replace', collection: MEMBERS, id, version, value: after },
      ...events.map(([event, details]) => auditStep(runtime.now(), actor, event, { member_id: id, ...(details ? { details } : {}) })),
    ];
    return { steps, after, losesOwner: isActiveOwner(member) && !isActiveOwner(after) };
  });
}

/**
 * Removes a member: all sessions and tokens end with the record, at once.
 * @throws not_found; conflict for the last owner
 */
export async function removeMember(runtime: Runtime, actor: Actor, organizationId: string, id: string): Promise<void> {
  await writeMember(runtime, organizationId, id, ({ value: member, version }) => ({
    steps: [
      { do: 'delete', collection: MEMBERS, id, version },
      auditStep(runtime.now(), actor, 'member.removed', { member_id: id, details: { email: member.email } }),
    ],
    after: member,
    losesOwner: isActiveOwner(member),
  }));
}

const isActiveOwner = (member: Member): boolean => isActive(member) && member.role === 'owner';

interface MemberWrite {
  readonly steps: readonly Step[];
  readonly after: Member;
  readonly losesOwner: boolean;
}

/**
 * One atomic change of a member. What takes an owner away also takes the organization's version, so that two owners who
 * remove each other at the same moment can't both succeed.
 */
async function writeMember(
  runtime: Runtime,
  organizationId: string,
  id: string,
  plan: (member: Stored<Member>) => MemberWrite | undefined,
): Promise<Member> {
  return compareAndSet(async () => {
    const organization = await runtime.store.get(organizationId, ORGANIZATION, ORGANIZATION_RECORD);
    if (!organization) throw new GatewayError('organization_unknown');
    const member = await runtime.store.get(organizationId, MEMBERS, id);
    const write = member && plan(member);
    if (!write) {
      await confirmReplicated(runtime.store, organizationId);
      if (!member) throw noSuchMember();
      return member.value;
    }
    const steps = [...write.steps];
    if (write.losesOwner) {
      await requireAnotherOwner(runtime.store, organizationId, id);
      const { version, value } = organization;
      steps.push({ do: 'replace', collection: ORGANIZATION, id: ORGANIZATION_RECORD, version, value });
    }
    return (await runtime.store.commit(organizationId, steps, { replicated: true })).ok ? write.after : RETRY;
  });
}

async function requireAnotherOwner(store: Store, organizationId: string, id: string): Promise<void> {
  if (await hasAnotherOwner(store, organizationId, id)) return;
  throw new GatewayError('conflict', 'This is the last owner of the organization. Make somebody else an owner first.');
}

async function hasAnotherOwner(store: Store, organizationId: string, id: string): Promise<boolean> {
  const owners = await store.find(organizationId, MEMBERS, 'activeRole', { equals: 'owner', limit: 2 });
  return owners.items.some((owner) => owner.id !== id);
}

/** Whether this member can't be suspended, removed or made a collaborator now. The change itself looks again. */
export const isLastOwner = async (store: Store, organizationId: string, member: Member): Promise<boolean> =>
  isActiveOwner(member) && !(await hasAnotherOwner(store, organizationId, member.id));

/** Foresees what a change of the identity provider does to the members, from what their records say. Changes nothing. */
import { foldCase, isSameSource } from '../../saml/identifier/identifier.ts';
import { eachRecord } from '../../store/each-record.ts';
import { eachPart } from '../../store/next-turn.ts';
import type { Store } from '../../store/store.ts';
import { DAY_MS } from '../../time.ts';
import type { OrganizationConnection } from '../connections/connections.ts';
import { MEMBERS, type Member } from '../members.ts';
import type { Connection, IdpChange } from '../organizations.ts';
import { isSafeToLink } from './email-link.ts';
import type { IdentifierTable, TableProblem, TableRow } from './identifier-table.ts';
import { type IdentityScope, isOfScopes, scopesOfMembers } from './idp-change.ts';
import { type Fate, holdersOf, type LineResult, resultsOf, type TableMember, withTakenIdentifiers } from './table-results.ts';

/** Members of the organization that a preview reads. */
const MAX_READ = 20_000;
const RECENT_DAYS = 30;

export interface FateCounts {
  /** Members whose users keep their accounts. */
  readonly matching: number;
  /** Members about whom an owner or the operator must decide. */
  readonly ambiguous: number;
  /** Members whose users get new accounts. */
  readonly new: number;
}

export interface ChangePreview extends FateCounts {
  /** The members of each count who signed in during the last 30 days. */
  readonly recent: FateCounts;
  readonly isPartial: boolean;
  /** Lines of the table that would give a user the account of another member. At most 100. */
  readonly problems: readonly TableProblem[];
  /** What the lines of the table mean for the members, the important ones first. At most 100. */
  readonly lines: readonly LineResult[];
}

export interface PreviewedChange extends OrganizationConnection {
  readonly decision: IdpChange['decision'];
  /** The identifiers that the new identity provider will send, by those of the former one. Only for `keep`. */
  readonly table?: IdentifierTable | undefined;
}

/** Counts what a decision does to the members of a connection. It lets other work run meanwhile. */
export async function previewChange(store: Store, change: PreviewedChange, nowMs: number): Promise<ChangePreview> {
  const { members, isPartial } = await readMembers(store, change, nowMs);
  const fateOf = { keep: fateOfKept, link_by_email: fateOfLinked, new_accounts: async () => (): Fate => 'new' }[change.decision];
  const decide = await fateOf(change, members, nowMs);
  const counts = { matching: 0, ambiguous: 0, new: 0 };
  const recent = { ...counts };
  for await (const part of eachPart(members)) {
    for (const member of part) {
      const fate = decide(member);
      counts[fate]++;
      if (member.isRecent) recent[fate]++;
    }
  }
  const result = { ...counts, recent, isPartial, problems: [], lines: [] };
  if (!change.table) return result;
  const holders = await holdersOf(members);
  const table = await withTakenIdentifiers(change.table, holders);
  return { ...result, problems: table.problems.slice(0, MAX_PROBLEMS), lines: await resultsOf(table, holders, decide) };
}

interface PreviewedMember extends TableMember, Pick<Member, 'role' | 'suspended'> {
  /** Whether the identifier comes from the source that the connection uses. */
  readonly hasSource: boolean;
  readonly isRecent: boolean;
}

async function readMembers(store: Store, { organization, connection }: OrganizationConnection, nowMs: number) {
  const members: PreviewedMember[] = [];
  const scopes = scopesOfMembers(connection);
  const present: readonly IdentityScope[] = scopes.slice(0, 1);
  let read = 0;
  for await (const { value } of eachRecord(store, { partition: organization.id, collection: MEMBERS, index: 'email' })) {
    if (++read > MAX_READ) return { members, isPartial: true };
    if (!isOfScopes(value, connection, scopes)) continue;
    const { email, role, suspended, lastLoginAt, identifier } = value;
    members.push({
      ...{ email, role, suspended, identifier: identifier?.value },
      isPresent: isOfScopes(value, connection, present),
      hasSource: hasSource(value, connection),
      isRecent: Date.parse(lastLoginAt ?? '') >= nowMs - RECENT_DAYS * DAY_MS,
    });
  }
  return { members, isPartial: false };
}

async function fateOfLinked({ organization }: PreviewedChange, members: readonly PreviewedMember[], nowMs: number) {
  const holders = new Map<string, number>();
  for await (const part of eachPart(members)) {
    for (const { email } of part) holders.set(foldCase(email), (holders.get(foldCase(email)) ?? 0) + 1);
  }
  return (member: PreviewedMember): Fate => {
    const isOnly = holders.get(foldCase(member.email)) === 1;
    return isOnly && isSafeToLink(member, { organization, email: member.email, nowMs }) ? 'matching' : 'ambiguous';
  };
}

/** Owners are confirmed one by one. Without a table, the new identity provider is assumed to send the same identifiers. */
async function fateOfKept({ table }: PreviewedChange) {
  const folded = table && (await foldedRows(table));
  return ({ role, identifier, isPresent, hasSource }: PreviewedMember): Fate => {
    if (!isPresent || !hasSource) return 'new';
    if (table && identifier !== undefined && !isKept(identifier, table.byFormer.get(identifier), folded?.get(identifier))) return 'new';
    return role === 'owner' || (table && identifier === undefined) ? 'ambiguous' : 'matching';
  };
}

/** Members of earlier versions are found whatever their source is. */
const hasSource = ({ identifier }: Member, { settings: { identifier: setting = 'auto' } }: Connection): boolean =>
  !identifier || (setting !== 'auto' && isSameSource(identifier.source, setting));

/** Members whose letters are folded are stored in lower case. Returns the rows of other identifiers by their folded forms. */
async function foldedRows({ rows }: IdentifierTable): Promise<ReadonlyMap<string, TableRow>> {
  const map = new Map<string, TableRow>();
  for await (const part of eachPart(rows)) {
    for (const row of part) {
      const folded = foldCase(row.from);
      if (folded !== row.from && !map.has(folded)) map.set(folded, row);
    }
  }
  return map;
}

/** If two rows apply, the one that comes first in the table counts. */
function isKept(value: string, exact: TableRow | undefined, folded: TableRow | undefined): boolean {
  const row = exact && folded ? (exact.line < folded.line ? exact : folded) : (exact ?? folded);
  return row !== undefined && (row.to === value || foldCase(row.to) === value);
}

const MAX_PROBLEMS = 100;

/** Tells what each line of a table of identifiers means for the members. */
import { foldCase } from '../../saml/identifier/identifier.ts';
import { eachPart } from '../../store/next-turn.ts';
import type { Member } from '../members.ts';
import type { IdentifierTable, TableProblem } from './identifier-table.ts';

/** What a decision does to the account of a member: it is kept, kept after an approval, or replaced by a new one. */
export type Fate = 'matching' | 'ambiguous' | 'new';

export interface LineResult {
  readonly line: number;
  readonly from: string;
  readonly to: string;
  /** The email address of the member with the former identifier. */
  readonly email?: string | undefined;
  readonly result: Fate | 'no_member' | TableProblem['problem'];
}

/** Lines that would give a user the account of another member come first, lines that need no attention last. */
const RESULTS: readonly LineResult['result'][] = [
  'other_member',
  'duplicate_old',
  'duplicate_new',
  'new',
  'ambiguous',
  'no_member',
  'matching',
];
const MAX_LINES = 100;

type TableMember = Pick<Member, 'email' | 'identifier'>;

/** Returns what each line means, at most 100 of them. It lets other work run meanwhile. */
export async function resultsOf<M extends TableMember>(
  { rows, problems }: IdentifierTable,
  members: readonly M[],
  fateOf: (member: M) => Fate,
): Promise<readonly LineResult[]> {
  const holders = new Map<string, M>();
  for await (const part of eachPart(members)) {
    for (const member of part) if (member.identifier) holders.set(member.identifier.value, member);
  }
  const find = (identifier: string): M | undefined => holders.get(identifier) ?? holders.get(foldCase(identifier));
  const problemOf = new Map(problems.map(({ line, problem }) => [line, problem]));
  const byResult = new Map<LineResult['result'], LineResult[]>(RESULTS.map((result) => [result, []]));
  for await (const part of eachPart(rows)) {
    for (const { line, from, to } of part) {
      const member = find(from);
      const result = problemOf.get(line) ?? (member ? fateOf(member) : 'no_member');
      byResult.get(result)?.push({ line, from, to, email: member?.email, result });
    }
  }
  return [...byResult.values()].flat().slice(0, MAX_LINES);
}

/** Adds rows whose new identifier is that of another member to the problems of the table itself. */
export async function withTakenIdentifiers({ rows, problems }: IdentifierTable, members: readonly TableMember[]): Promise<IdentifierTable> {
  const known = new Set(members.flatMap(({ identifier }) => (identifier ? [identifier.value] : [])));
  const taken: TableProblem[] = [];
  for await (const part of eachPart(rows)) {
    for (const { line, from, to } of part) {
      const isChanged = from !== to && foldCase(from) !== foldCase(to);
      if (isChanged && (known.has(to) || known.has(foldCase(to)))) taken.push({ line, problem: 'other_member' });
    }
  }
  return { rows, problems: [...problems, ...taken].sort((one, other) => one.line - other.line) };
}

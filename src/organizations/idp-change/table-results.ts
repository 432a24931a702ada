/** Tells what each line of a table of identifiers means for the members. */
import { foldCase } from '../../saml/identifier/identifier.ts';
import { eachPart } from '../../store/next-turn.ts';
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

/** The little that a comparison keeps of each member, because no request is answered while the garbage collector copies it. */
export interface TableMember {
  readonly email: string;
  readonly identifier: string | undefined;
  /** The former identifiers of a table are those of present members, not of members from before an earlier change. */
  readonly isPresent: boolean;
}

/** Returns the members by identifier. If several have the same one, a present member is preferred. */
export async function holdersOf<M extends TableMember>(members: readonly M[]): Promise<ReadonlyMap<string, M>> {
  const holders = new Map<string, M>();
  for await (const part of eachPart(members)) {
    for (const member of part) {
      const { identifier, isPresent } = member;
      if (identifier !== undefined && (isPresent || !holders.has(identifier))) holders.set(identifier, member);
    }
  }
  return holders;
}

/** Returns what each line means, at most 100 of them. It lets other work run meanwhile. */
export async function resultsOf<M extends TableMember>(
  { rows, problems }: Pick<IdentifierTable, 'rows' | 'problems'>,
  holders: ReadonlyMap<string, M>,
  fateOf: (member: M) => Fate,
): Promise<readonly LineResult[]> {
  const presentHolder = (identifier: string): M | undefined => {
    const member = holders.get(identifier);
    return member?.isPresent ? member : undefined;
  };
  const problemOf = new Map(problems.map(({ line, problem }) => [line, problem]));
  const byResult = new Map<LineResult['result'], LineResult[]>(RESULTS.map((result) => [result, []]));
  for await (const part of eachPart(rows)) {
    for (const { line, from, to } of part) {
      const member = presentHolder(from) ?? presentHolder(foldCase(from));
      const result = problemOf.get(line) ?? (member ? fateOf(member) : 'no_member');
      const lines = byResult.get(result);
      if (lines && lines.length < MAX_LINES) lines.push({ line, from, to, email: member?.email, result });
    }
  }
  return [...byResult.values()].flat().slice(0, MAX_LINES);
}

/** Adds rows whose new identifier is that of another member to the problems of the table itself. */
export async function withTakenIdentifiers(
  { rows, problems }: IdentifierTable,
  holders: ReadonlyMap<string, TableMember>,
): Promise<Pick<IdentifierTable, 'rows' | 'problems'>> {
  const taken: TableProblem[] = [];
  for await (const part of eachPart(rows)) {
    for (const { line, from, to } of part) {
      const isChanged = from !== to && foldCase(from) !== foldCase(to);
      if (isChanged && (holders.has(to) || holders.has(foldCase(to)))) taken.push({ line, problem: 'other_member' });
    }
  }
  return { rows, problems: [...problems, ...taken].sort((one, other) => one.line - other.line) };
}

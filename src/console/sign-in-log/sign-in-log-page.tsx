import type { SignInLogSummary } from '../../auth/sign-in-log/sign-in-log.ts';
import { ERRORS, errorText } from '../../errors.ts';
import { ConsolePage } from '../console-page.tsx';
import type { Frame } from '../navigation.ts';
import { DataTable } from '../parts/data-table.tsx';
import { EmptyState } from '../parts/empty-state.tsx';
import { FilterButtons } from '../parts/filter-buttons.tsx';
import { ForeignText } from '../parts/foreign-text.tsx';
import { PostForm } from '../parts/form.tsx';
import { Moment, Near } from '../parts/moment.tsx';
import { Paging } from '../parts/paging.tsx';

const TEXTS = {
  signInLog: 'Sign-in log',
  storesOnlyTests: 'This gateway stores no sign-ins. Results of test sign-ins are stored for one hour.',
  lead: (days: number) =>
    `Accepted and refused sign-ins, with the reason of each refusal. They are stored for ${days === 1 ? 'one day' : `${days} days`}.`,
  testSignIn: 'Test sign-in',
  signIns: 'Sign-ins',
  noMatchingSignIns: 'No matching sign-ins',
  noSignInsYet: 'No sign-ins yet',
  result: 'Result',
  reason: 'Reason',
  user: 'User',
  ipAddress: 'IP address',
  all: 'All',
  accepted: 'accepted',
  refused: 'refused',
  testAccepted: 'test accepted',
  testRefused: 'test refused',
  any: 'Any',
  userOrRequestId: 'User or request ID',
  userExample: 'carl@',
  whatToChange: (
    <>
      What to change<span class="unseen"> after this refusal</span>
    </>
  ),
  isUnverified: 'unknown (no valid signature)',
  unknown: 'unknown',
} as const;

/** The filter as requested. An empty value matches all. */
export interface SignInFilter {
  readonly outcome: string;
  readonly code: string;
  readonly person: string;
}

export interface SignInLogPageProps {
  readonly frame: Frame;
  readonly entries: readonly SignInLogSummary[];
  readonly filter: SignInFilter;
  /** Email addresses by member ID, of members who still exist. */
  readonly addresses: ReadonlyMap<string, string>;
  /** How many days entries are stored. With 0, only tests are. */
  readonly keptDays: number;
  readonly canTest: boolean;
  readonly cursor: string | undefined;
  readonly nextCursor: string | null;
}

/** The list of sign-ins, with the reason of each refusal. */
export function SignInLogPage(props: SignInLogPageProps) {
  const { frame, entries, filter, addresses, keptDays, canTest, cursor, nextCursor } = props;
  const path = `${frame.base}/sign-ins`;
  const isFiltered = Object.values(filter).some((value) => value !== '');
  return (
    <ConsolePage
      frame={frame}
      section="sign-ins"
      title={TEXTS.signInLog}
      lead={keptDays === 0 ? TEXTS.storesOnlyTests : TEXTS.lead(keptDays)}
      actions={
        canTest ? (
          <PostForm action={`${path}/test`} csrfToken={frame.csrfToken} inline>
            <button type="submit" class="quiet">
              {TEXTS.testSignIn}
            </button>
          </PostForm>
        ) : null
      }
    >
      <section class="panel" aria-label={TEXTS.signIns}>
        <FilterForm path={path} filter={filter} isFiltered={isFiltered} />
        {entries.length === 0 ? (
          <EmptyState title={isFiltered ? TEXTS.noMatchingSignIns : TEXTS.noSignInsYet} />
        ) : (
          <DataTable
            label={TEXTS.signIns}
            rows={entries}
            columns={[
              {
                label: TEXTS.result,
                kind: 'heading',
                cell: (entry) => (
                  <a class="plain" href={`${path}/${entry.id}`}>
                    <OutcomeBadge entry={entry} /> <Near ms={entry.atMs} nowMs={frame.nowMs} />
                    <span class="sub">
                      <Moment ms={entry.atMs} />
                    </span>
                  </a>
                ),
              },
              { label: TEXTS.reason, cell: (entry) => <Reason entry={entry} href={`${path}/${entry.id}`} /> },
              { label: TEXTS.user, cell: (entry) => <User entry={entry} base={frame.base} addresses={addresses} /> },
              { label: TEXTS.ipAddress, cell: ({ address }) => (address === undefined ? '–' : <ForeignText text={address} />) },
            ]}
          />
        )}
        <Paging path={path} query={{ ...filter }} cursor={cursor} nextCursor={nextCursor} />
      </section>
    </ConsolePage>
  );
}

function FilterForm({ path, filter, isFiltered }: { path: string; filter: SignInFilter; isFiltered: boolean }) {
  return (
    <search>
      <form class="row" method="get" action={path}>
        <label class="narrow">
          {TEXTS.result}
          <select name="outcome">
            <option value="">{TEXTS.all}</option>
            <option value="accepted" selected={filter.outcome === 'accepted'}>
              {TEXTS.accepted}
            </option>
            <option value="refused" selected={filter.outcome === 'refused'}>
              {TEXTS.refused}
            </option>
          </select>
        </label>
        <label>
          {TEXTS.reason}
          <select name="code">
            <option value="">{TEXTS.any}</option>
            {Object.entries(ERRORS)
              .filter(([code]) => /^(?:saml|member)_/.test(code))
              .map(([code, { administrator }]) => (
                <option value={code} selected={code === filter.code}>
                  {administrator.title}
                </option>
              ))}
          </select>
        </label>
        <label>
          {TEXTS.userOrRequestId}
          <input type="search" name="person" value={filter.person} maxlength={254} autocomplete="off" placeholder={TEXTS.userExample} />
        </label>
        <FilterButtons path={path} isFiltered={isFiltered} />
      </form>
    </search>
  );
}

const TEST_OUTCOMES = { accepted: 'testAccepted', refused: 'testRefused' } as const;

/** The outcome of a sign-in, for example “accepted” or “test refused”. */
export function OutcomeBadge({ entry: { kind, outcome } }: { readonly entry: SignInLogSummary }) {
  return (
    <span class={`badge ${outcome === 'accepted' ? 'good' : 'bad'}`}>{TEXTS[kind === 'test' ? TEST_OUTCOMES[outcome] : outcome]}</span>
  );
}

function Reason({ entry: { code, variant }, href }: { readonly entry: SignInLogSummary; readonly href: string }) {
  if (code === undefined) return <>–</>;
  return (
    <>
      {errorText(code, 'administrator', variant).title}
      <span class="sub">
        <code>{code}</code>
      </span>
      <a class="sub" href={`${href}#verdict`}>
        {TEXTS.whatToChange}
      </a>
    </>
  );
}

interface UserProps {
  readonly entry: SignInLogSummary;
  readonly base: string;
  readonly addresses: ReadonlyMap<string, string>;
}

/** The member, or the user that a verified assertion names. Without a valid signature, anyone could put a name into the log. */
function User({ entry: { memberId, subject, isVerified }, base, addresses }: UserProps) {
  if (memberId === undefined) {
    if (!isVerified) return <>{TEXTS.isUnverified}</>;
    return subject === undefined ? TEXTS.unknown : <ForeignText text={subject} />;
  }
  return (
    <a href={`${base}/members/${memberId}`}>
      <ForeignText text={addresses.get(memberId) ?? subject ?? memberId} />
    </a>
  );
}

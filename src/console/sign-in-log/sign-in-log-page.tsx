import type { SignInLogSummary } from '../../auth/sign-in-log/sign-in-log.ts';
import { ERRORS } from '../../errors.ts';
import { ConsolePage } from '../console-page.tsx';
import type { Frame } from '../navigation.ts';
import { DataTable } from '../parts/data-table.tsx';
import { EmptyState } from '../parts/empty-state.tsx';
import { FilterButtons } from '../parts/filter-buttons.tsx';
import { ForeignText } from '../parts/foreign-text.tsx';
import { PostForm } from '../parts/form.tsx';
import { Near } from '../parts/moment.tsx';
import { Paging } from '../parts/paging.tsx';

/** As it was asked for; empty: all. */
export interface SignInFilter {
  readonly outcome: string;
  readonly code: string;
}

export interface SignInLogPageProps {
  readonly frame: Frame;
  readonly entries: readonly SignInLogSummary[];
  readonly filter: SignInFilter;
  /** Id to address, for the members who still are. */
  readonly addresses: ReadonlyMap<string, string>;
  /** How long an entry is kept; 0: only tests are. */
  readonly keptDays: number;
  readonly canTest: boolean;
  readonly cursor: string | undefined;
  readonly nextCursor: string | null;
}

/** The last sign-ins, and why they were refused. */
export function SignInLogPage(props: SignInLogPageProps) {
  const { frame, entries, filter, addresses, keptDays, canTest, cursor, nextCursor } = props;
  const path = `${frame.base}/sign-ins`;
  const isFiltered = filter.outcome !== '' || filter.code !== '';
  return (
    <ConsolePage
      frame={frame}
      section="sign-ins"
      title="Sign-in log"
      lead={
        keptDays === 0
          ? 'This gateway keeps no sign-ins; what came of a test is kept for an hour.'
          : `Who came in or was refused, and why. Kept for ${keptDays === 1 ? 'one day' : `${keptDays} days`}.`
      }
      actions={
        canTest ? (
          <PostForm action={`${path}/test`} csrfToken={frame.csrfToken} inline>
            <button type="submit" class="quiet">
              Test sign-in
            </button>
          </PostForm>
        ) : null
      }
    >
      <section class="panel" aria-label="Sign-ins">
        <FilterForm path={path} filter={filter} isFiltered={isFiltered} />
        {entries.length === 0 ? (
          <EmptyState title={isFiltered ? 'No sign-in fits' : 'No sign-in yet'} />
        ) : (
          <DataTable
            label="Sign-ins"
            rows={entries}
            columns={[
              {
                label: 'Result',
                kind: 'heading',
                cell: (entry) => (
                  <a class="plain" href={`${path}/${entry.id}`}>
                    <OutcomeBadge entry={entry} /> <Near ms={entry.atMs} nowMs={frame.nowMs} />
                  </a>
                ),
              },
              { label: 'Reason', cell: ({ code }) => (code === undefined ? '–' : <Reason code={code} />) },
              { label: 'Member', cell: (entry) => <Who entry={entry} base={frame.base} addresses={addresses} /> },
              { label: 'From', cell: ({ address }) => (address === undefined ? '–' : <ForeignText text={address} />) },
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
          Result
          <select name="outcome">
            <option value="">All</option>
            <option value="accepted" selected={filter.outcome === 'accepted'}>
              accepted
            </option>
            <option value="refused" selected={filter.outcome === 'refused'}>
              refused
            </option>
          </select>
        </label>
        <label>
          Reason
          <select name="code">
            <option value="">Any</option>
            {Object.entries(ERRORS)
              .filter(([code]) => /^(?:saml|member)_/.test(code))
              .map(([code, { administrator }]) => (
                <option value={code} selected={code === filter.code}>
                  {administrator.title}
                </option>
              ))}
          </select>
        </label>
        <FilterButtons path={path} isFiltered={isFiltered} />
      </form>
    </search>
  );
}

/** “accepted”, “test refused”. */
export function OutcomeBadge({ entry: { kind, outcome } }: { readonly entry: SignInLogSummary }) {
  return <span class={`badge ${outcome === 'accepted' ? 'good' : 'bad'}`}>{kind === 'test' ? `test ${outcome}` : outcome}</span>;
}

const Reason = ({ code }: { readonly code: NonNullable<SignInLogSummary['code']> }) => (
  <>
    {ERRORS[code].administrator.title}
    <span class="sub">
      <code>{code}</code>
    </span>
  </>
);

interface WhoProps {
  readonly entry: SignInLogSummary;
  readonly base: string;
  readonly addresses: ReadonlyMap<string, string>;
}

function Who({ entry: { memberId, isVerified }, base, addresses }: WhoProps) {
  if (memberId === undefined) return <>{isVerified ? 'nobody who is known yet' : 'not known: nothing genuine says so'}</>;
  return (
    <a href={`${base}/members/${memberId}`}>
      <ForeignText text={addresses.get(memberId) ?? memberId} />
    </a>
  );
}

import { AUDIT_EVENTS, type AuditEntry, auditJson } from '../../audit.ts';
import { REFUSAL_COUNT_DAYS, type RefusalSummary } from '../../audit-trail/refusal-counts.ts';
import type { TrailSummary } from '../../audit-trail/trim-audit.ts';
import { ConsolePage } from '../console-page.tsx';
import type { Frame, SectionId } from '../navigation.ts';
import { DataTable } from '../parts/data-table.tsx';
import { EmptyState } from '../parts/empty-state.tsx';
import { FilterButtons } from '../parts/filter-buttons.tsx';
import { ForeignText, visibleText } from '../parts/foreign-text.tsx';
import { Moment, Near } from '../parts/moment.tsx';
import { hrefOf, Paging } from '../parts/paging.tsx';
import { type AuditNames, AuditSentence, type AuditSentenceProps } from './audit-sentence.tsx';

/** The filter, as the user entered it. */
export interface AuditFilter {
  readonly event: string;
  /** Email address or user ID. */
  readonly member: string;
  /** Days as YYYY-MM-DD, both inclusive. */
  readonly from: string;
  readonly to: string;
}

export interface AuditPageProps {
  readonly frame: Frame;
  readonly section: SectionId & ('audit' | 'gateway-audit');
  readonly entries: readonly AuditEntry[];
  readonly filter: AuditFilter;
  /** Why the filter finds nothing. */
  readonly problem: string | undefined;
  readonly names: AuditNames;
  readonly cursor: string | undefined;
  readonly nextCursor: string | null;
  readonly refusals: readonly RefusalSummary[];
  readonly trail: TrailSummary;
  /** How long entries are stored. 0 means that only their number is limited. */
  readonly keptDays: number;
  readonly maxEntries: number;
}

/** Lists audit entries, newest first. */
export function AuditPage(props: AuditPageProps) {
  const { frame, section, entries, filter, problem, names, cursor, nextCursor, refusals, trail, keptDays, maxEntries } = props;
  const path = `${frame.base}/audit`;
  const isFiltered = Object.values(filter).some((value) => value !== '');
  return (
    <ConsolePage
      frame={frame}
      section={section}
      title="Audit trail"
      lead={
        section === 'audit'
          ? 'Every change, sign-in and refused sign-in with a valid signature. Entries cannot be changed.'
          : 'Changes to the gateway as a whole. Each organization has its own audit trail.'
      }
      actions={<Downloads path={path} filter={filter} />}
    >
      <section class="panel" aria-label="Audit trail">
        <FilterForm path={path} filter={filter} hasMembers={section === 'audit'} isFiltered={isFiltered} />
        {entries.length === 0 ? (
          <EmptyState title={problem ?? (nextCursor === null ? 'No entries' : 'No entries on this page')}>
            {nextCursor === null ? null : <p>The search continues on the next page.</p>}
          </EmptyState>
        ) : (
          <EntriesTable frame={frame} section={section} entries={entries} names={names} />
        )}
        <Paging path={path} query={{ ...filter }} cursor={cursor} nextCursor={nextCursor} />
        <Retention trail={trail} keptDays={keptDays} maxEntries={maxEntries} />
      </section>
      {refusals.length === 0 ? null : <RefusalsPanel refusals={refusals} section={section} />}
    </ConsolePage>
  );
}

/** Says how far back the trail goes. */
function Retention({ trail: { oldestAt, trimmed }, keptDays, maxEntries }: Pick<AuditPageProps, 'trail' | 'keptDays' | 'maxEntries'>) {
  return (
    <p class="sub">
      {keptDays === 0 ? 'Entries are stored' : `Entries are stored for ${keptDays} days`}
      {`, at most ${maxEntries.toLocaleString('en')}. `}
      {oldestAt === undefined ? null : (
        <>
          The oldest one is from <Moment ms={Date.parse(oldestAt)} />.{' '}
        </>
      )}
      {trimmed === 0 ? null : `${trimmed.toLocaleString('en')} older entries were deleted.`}
    </p>
  );
}

const REFUSAL_NAMES: Readonly<Record<RefusalSummary['kind'], string>> = {
  sign_in: 'Sign-in',
  logout: 'Single logout',
  operator_sign_in: 'Operator sign-in',
};

/** Shows the refusals that have no entry. */
function RefusalsPanel({ refusals, section }: Pick<AuditPageProps, 'refusals' | 'section'>) {
  return (
    <section class="panel" aria-label="Refusals without an entry">
      <h2>Refusals without an entry</h2>
      <p>
        {section === 'audit'
          ? 'SAML messages without a valid signature and copies of signed ones are counted, because anyone can send any number of them. '
          : 'Wrong operator tokens are counted, because anyone can send any number of them. A few of each hour also have an entry. '}
        Counters are stored for {REFUSAL_COUNT_DAYS} days.
      </p>
      <DataTable
        label="Refusals without an entry"
        rows={refusals}
        columns={[
          {
            label: 'Refused',
            kind: 'heading',
            cell: ({ kind, code }) => (
              <>
                {REFUSAL_NAMES[kind]} <code>{code}</code>
              </>
            ),
          },
          { label: 'Last hour', cell: ({ lastHour }) => String(lastHour) },
          { label: 'Last day', cell: ({ lastDay }) => String(lastDay) },
          { label: `Last ${REFUSAL_COUNT_DAYS} days`, cell: ({ lastWeek }) => String(lastWeek) },
        ]}
      />
    </section>
  );
}

function Downloads({ path, filter }: { readonly path: string; readonly filter: AuditFilter }) {
  return (
    <>
      <a class="button quiet" href={hrefOf(`${path}/download`, { format: 'csv', ...filter })} download>
        Download CSV
      </a>
      <a class="button quiet" href={hrefOf(`${path}/download`, { format: 'jsonl', ...filter })} download>
        Download JSON lines
      </a>
    </>
  );
}

interface FilterFormProps {
  readonly path: string;
  readonly filter: AuditFilter;
  readonly hasMembers: boolean;
  readonly isFiltered: boolean;
}

function FilterForm({ path, filter, hasMembers, isFiltered }: FilterFormProps) {
  return (
    <search>
      <form class="row" method="get" action={path}>
        <label>
          Event
          <select name="event">
            <option value="">All events</option>
            {Object.entries(AUDIT_EVENTS).map(([event, { title }]) => (
              <option value={event} selected={event === filter.event}>
                {title}
              </option>
            ))}
          </select>
        </label>
        {hasMembers ? (
          <label>
            Member
            <input
              name="member"
              type="text"
              value={filter.member}
              maxlength={254}
              autocomplete="off"
              placeholder="Email address or user ID"
            />
          </label>
        ) : null}
        <label class="narrow">
          From (UTC)
          <input name="from" type="date" value={filter.from} />
        </label>
        <label class="narrow">
          To (UTC)
          <input name="to" type="date" value={filter.to} />
        </label>
        <FilterButtons path={path} isFiltered={isFiltered} />
      </form>
    </search>
  );
}

function EntriesTable({ frame, section, entries, names }: Pick<AuditPageProps, 'frame' | 'section' | 'entries' | 'names'>) {
  const membersPath = section === 'audit' ? `${frame.base}/members` : undefined;
  return (
    <div class="audit">
      <DataTable
        label="Audit trail"
        rows={entries}
        columns={[
          {
            label: 'Event',
            kind: 'heading',
            cell: (entry) => (
              <>
                <AuditSentence entry={entry} names={names} membersPath={membersPath} />
                <RawEntry entry={entry} />
              </>
            ),
          },
          { label: 'Member', cell: (entry) => <AboutMember entry={entry} names={names} membersPath={membersPath} /> },
          {
            label: 'When',
            cell: ({ at }) => (
              <>
                <Near ms={Date.parse(at)} nowMs={frame.nowMs} />
                <span class="sub">
                  <Moment ms={Date.parse(at)} />
                </span>
              </>
            ),
          },
          { label: 'From', cell: ({ actor: { address } }) => (address === undefined ? '–' : <ForeignText text={address} />) },
        ]}
      />
    </div>
  );
}

/** Shows the member by email address, because names in sentences need not be unique. */
function AboutMember({ entry: { actor, member_id: memberId }, names, membersPath }: AuditSentenceProps) {
  const id = memberId ?? (actor.kind === 'member' ? actor.id : undefined);
  if (id === undefined) return <>–</>;
  const member = names.members.get(id);
  if (!member || membersPath === undefined) return <ForeignText text={id.slice(0, 64)} />;
  return (
    <a href={`${membersPath}/${id}`}>
      <EmailAddress email={member.email} />
    </a>
  );
}

/** Breaks a long address only after “@” and “.”. */
const EmailAddress = ({ email }: { readonly email: string }) => (
  <bdi>
    {email.split(/(?<=[@.])/).map((part, index) => (
      <>
        {index === 0 ? null : <wbr />}
        {visibleText(part)}
      </>
    ))}
  </bdi>
);

/** Longer entries cannot be written, but a store can hold anything. */
const MAX_RAW = 8000;

function RawEntry({ entry }: { readonly entry: AuditEntry }) {
  const json = JSON.stringify(auditJson(entry), null, 2);
  const shownLines = json.slice(0, MAX_RAW).toWellFormed().split('\n').map(visibleText);
  return (
    <details class="raw">
      <summary>
        <code>{visibleText(entry.event.slice(0, 64))}</code>{' '}
        {entry.code === undefined ? null : <code>{visibleText(entry.code.slice(0, 64))}</code>}
      </summary>
      <pre>
        <code>{`${shownLines.join('\n')}${json.length > MAX_RAW ? '\n…' : ''}`}</code>
      </pre>
    </details>
  );
}

import type { ComponentChildren } from 'preact';
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

const TEXTS = {
  auditTrail: 'Audit trail',
  organizationLead: 'Every change, sign-in and refused sign-in with a valid signature. Entries cannot be changed.',
  gatewayLead: 'Changes to the gateway as a whole. Each organization has its own audit trail.',
  searchGoesOn: 'More results may be on the next page.',
  noEntries: 'No entries',
  noEntriesOnPage: 'No entries on this page',
  storedEntries: (count: string) => `At most ${count} entries are stored.`,
  storedEntriesAndDays: (count: string, days: number) => `Entries are stored for ${days} days, at most ${count}.`,
  oldestEntry: (time: ComponentChildren) => <>The oldest one is from {time}.</>,
  olderEntriesDeleted: (count: string | number) => `${count} older entries were deleted.`,
  refusalsWithoutEntry: 'Refusals without an entry',
  whyMessagesAreCounted:
    'SAML messages without a valid signature and copies of signed ones are counted, because anyone can send any number of them.',
  whyTokensAreCounted:
    'Wrong operator tokens are counted, because anyone can send any number of them. A few of each hour also have an entry.',
  countersAreStored: `Counters are stored for ${REFUSAL_COUNT_DAYS} days.`,
  refused: 'Refused',
  lastHour: 'Last hour',
  lastDay: 'Last day',
  lastDays: `Last ${REFUSAL_COUNT_DAYS} days`,
  downloadCsv: 'Download CSV',
  downloadJsonLines: 'Download JSON lines',
  event: 'Event',
  allEvents: 'All events',
  member: 'Member',
  memberExample: 'Email address or user ID',
  fromUtc: 'From (UTC)',
  toUtc: 'To (UTC)',
  when: 'When',
  from: 'From',
} as const;

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
      title={TEXTS.auditTrail}
      lead={section === 'audit' ? TEXTS.organizationLead : TEXTS.gatewayLead}
      actions={<Downloads path={path} filter={filter} />}
    >
      <section class="panel" aria-label={TEXTS.auditTrail}>
        <FilterForm path={path} filter={filter} hasMembers={section === 'audit'} isFiltered={isFiltered} />
        {entries.length === 0 ? (
          <EmptyState title={problem ?? (nextCursor === null ? TEXTS.noEntries : TEXTS.noEntriesOnPage)}>
            {nextCursor === null ? null : <p>{TEXTS.searchGoesOn}</p>}
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
      {keptDays === 0
        ? TEXTS.storedEntries(maxEntries.toLocaleString('en'))
        : TEXTS.storedEntriesAndDays(maxEntries.toLocaleString('en'), keptDays)}{' '}
      {oldestAt === undefined ? null : TEXTS.oldestEntry(<Moment ms={Date.parse(oldestAt)} />)}{' '}
      {trimmed === 0 ? null : TEXTS.olderEntriesDeleted(trimmed.toLocaleString('en'))}
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
    <section class="panel" aria-label={TEXTS.refusalsWithoutEntry}>
      <h2>{TEXTS.refusalsWithoutEntry}</h2>
      <p>
        {section === 'audit' ? TEXTS.whyMessagesAreCounted : TEXTS.whyTokensAreCounted} {TEXTS.countersAreStored}
      </p>
      <DataTable
        label={TEXTS.refusalsWithoutEntry}
        rows={refusals}
        columns={[
          {
            label: TEXTS.refused,
            kind: 'heading',
            cell: ({ kind, code }) => (
              <>
                {REFUSAL_NAMES[kind]} <code>{code}</code>
              </>
            ),
          },
          { label: TEXTS.lastHour, cell: ({ lastHour }) => String(lastHour) },
          { label: TEXTS.lastDay, cell: ({ lastDay }) => String(lastDay) },
          { label: TEXTS.lastDays, cell: ({ lastWeek }) => String(lastWeek) },
        ]}
      />
    </section>
  );
}

function Downloads({ path, filter }: { readonly path: string; readonly filter: AuditFilter }) {
  return (
    <>
      <a class="button quiet" href={hrefOf(`${path}/download`, { format: 'csv', ...filter })} download>
        {TEXTS.downloadCsv}
      </a>
      <a class="button quiet" href={hrefOf(`${path}/download`, { format: 'jsonl', ...filter })} download>
        {TEXTS.downloadJsonLines}
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
          {TEXTS.event}
          <select name="event">
            <option value="">{TEXTS.allEvents}</option>
            {Object.entries(AUDIT_EVENTS).map(([event, { title }]) => (
              <option value={event} selected={event === filter.event}>
                {title}
              </option>
            ))}
          </select>
        </label>
        {hasMembers ? (
          <label>
            {TEXTS.member}
            <input name="member" type="text" value={filter.member} maxlength={254} autocomplete="off" placeholder={TEXTS.memberExample} />
          </label>
        ) : null}
        <label class="narrow">
          {TEXTS.fromUtc}
          <input name="from" type="date" value={filter.from} />
        </label>
        <label class="narrow">
          {TEXTS.toUtc}
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
        label={TEXTS.auditTrail}
        rows={entries}
        columns={[
          {
            label: TEXTS.event,
            kind: 'heading',
            cell: (entry) => (
              <>
                <AuditSentence entry={entry} names={names} membersPath={membersPath} />
                <RawEntry entry={entry} />
              </>
            ),
          },
          { label: TEXTS.member, cell: (entry) => <AboutMember entry={entry} names={names} membersPath={membersPath} /> },
          {
            label: TEXTS.when,
            cell: ({ at }) => (
              <>
                <Near ms={Date.parse(at)} nowMs={frame.nowMs} />
                <span class="sub">
                  <Moment ms={Date.parse(at)} />
                </span>
              </>
            ),
          },
          { label: TEXTS.from, cell: ({ actor: { address } }) => (address === undefined ? '–' : <ForeignText text={address} />) },
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

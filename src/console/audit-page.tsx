import { AUDIT_EVENTS, type AuditEntry, type AuditEvent } from '../audit.ts';
import { REFUSAL_COUNT_DAYS, type RefusalSummary } from '../audit-trail/refusal-counts.ts';
import type { TrailSummary } from '../audit-trail/trim-audit.ts';
import { ConsolePage } from './console-page.tsx';
import type { Frame, SectionId } from './navigation.ts';
import { DataTable } from './parts/data-table.tsx';
import { EmptyState } from './parts/empty-state.tsx';
import { FilterButtons } from './parts/filter-buttons.tsx';
import { ForeignText } from './parts/foreign-text.tsx';
import { Moment } from './parts/moment.tsx';
import { hrefOf, Paging } from './parts/paging.tsx';

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
  /** Maps the IDs of members that still exist to their email addresses. */
  readonly addresses: ReadonlyMap<string, string>;
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
  const { frame, section, entries, filter, problem, addresses, cursor, nextCursor, refusals, trail, keptDays, maxEntries } = props;
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
          <EntriesTable frame={frame} entries={entries} addresses={addresses} />
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
            {Object.keys(AUDIT_EVENTS).map((event) => (
              <option value={event} selected={event === filter.event}>
                {event}
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

function EntriesTable({ frame, entries, addresses }: Pick<AuditPageProps, 'frame' | 'entries' | 'addresses'>) {
  return (
    <DataTable
      label="Audit trail"
      rows={entries}
      columns={[
        {
          label: 'Event',
          kind: 'heading',
          cell: ({ event, code }) => (
            <>
              {capitalized(AUDIT_EVENTS[event])}
              <div class="sub">
                <code>{event}</code> {code === undefined ? null : <code>{code}</code>}
              </div>
            </>
          ),
        },
        { label: 'When', cell: ({ at }) => <Moment ms={Date.parse(at)} /> },
        { label: 'Member', kind: 'wide', cell: (entry) => <MemberAndActor entry={entry} base={frame.base} addresses={addresses} /> },
        { label: 'Details', cell: ({ details }) => (details === undefined ? '–' : <ForeignText text={detailsText(details)} />) },
      ]}
    />
  );
}

const capitalized = (text: string): string => `${text.charAt(0).toUpperCase()}${text.slice(1)}`;

const ACTORS: Readonly<Record<AuditEntry['actor']['kind'], string>> = {
  operator: 'the operator',
  member: 'a member',
  identity_provider: 'the identity provider',
  gateway: 'the gateway',
  setup_link: 'a user with a setup link',
  anonymous: 'an unknown user',
};

interface MemberAndActorProps {
  readonly entry: AuditEntry;
  readonly base: string;
  readonly addresses: ReadonlyMap<string, string>;
}

/** Shows the member an entry is about and, if it was another person, who acted. */
function MemberAndActor({ entry: { actor, member_id: memberId }, base, addresses }: MemberAndActorProps) {
  const isOwn = actor.kind === 'member' && actor.id === memberId;
  const by = actor.kind === 'member' ? (actor.email ?? ACTORS.member) : ACTORS[actor.kind];
  const from =
    actor.address === undefined ? null : (
      <>
        from <ForeignText text={actor.address} />
      </>
    );
  if (memberId === undefined) {
    return (
      <>
        <ForeignText text={by} />
        <div class="sub">{from}</div>
      </>
    );
  }
  const address = addresses.get(memberId);
  return (
    <>
      {address === undefined ? (
        <code>{memberId}</code>
      ) : (
        <a href={`${base}/members/${memberId}`}>
          <ForeignText text={address} />
        </a>
      )}
      <div class="sub">
        {isOwn ? null : (
          <>
            by <ForeignText text={by} />{' '}
          </>
        )}
        {from}
      </div>
    </>
  );
}

/** Formats details as `name: value` pairs. Values other than strings are written as JSON. */
export const detailsText = (details: NonNullable<AuditEntry['details']>): string =>
  Object.entries(details)
    .map(([name, value]) => `${name}: ${typeof value === 'string' ? value : JSON.stringify(value)}`)
    .join('; ');

export const isAuditEvent = (text: string): text is AuditEvent => Object.hasOwn(AUDIT_EVENTS, text);

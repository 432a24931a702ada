import { AUDIT_EVENTS, type AuditEntry, type AuditEvent } from '../audit.ts';
import { ConsolePage } from './console-page.tsx';
import type { Frame, SectionId } from './navigation.ts';
import { DataTable } from './parts/data-table.tsx';
import { EmptyState } from './parts/empty-state.tsx';
import { FilterButtons } from './parts/filter-buttons.tsx';
import { ForeignText } from './parts/foreign-text.tsx';
import { Moment } from './parts/moment.tsx';
import { hrefOf, Paging } from './parts/paging.tsx';

/** What the trail is filtered by, as it was typed. */
export interface AuditFilter {
  readonly event: string;
  /** Address or user id. */
  readonly member: string;
  /** Days, YYYY-MM-DD, both of them included. */
  readonly from: string;
  readonly to: string;
}

export interface AuditPageProps {
  readonly frame: Frame;
  readonly section: SectionId & ('audit' | 'gateway-audit');
  readonly entries: readonly AuditEntry[];
  readonly filter: AuditFilter;
  /** Why nothing can be found. */
  readonly problem: string | undefined;
  /** Id to address, for the members whom the entries name and who still are. */
  readonly addresses: ReadonlyMap<string, string>;
  readonly cursor: string | undefined;
  readonly nextCursor: string | null;
}

/** Who did what when, newest first. */
export function AuditPage(props: AuditPageProps) {
  const { frame, section, entries, filter, problem, addresses, cursor, nextCursor } = props;
  const path = `${frame.base}/audit`;
  const isFiltered = Object.values(filter).some((value) => value !== '');
  return (
    <ConsolePage
      frame={frame}
      section={section}
      title="Audit trail"
      lead={
        section === 'audit'
          ? 'Who did what, and who came in or was refused. Nothing in it can be changed.'
          : 'What was done to the gateway as a whole. What happens within an organization stands in its own audit trail.'
      }
      actions={<Downloads path={path} filter={filter} />}
    >
      <section class="panel" aria-label="Audit trail">
        <FilterForm path={path} filter={filter} hasMembers={section === 'audit'} isFiltered={isFiltered} />
        {entries.length === 0 ? (
          <EmptyState title={problem ?? (nextCursor === null ? 'There is no entry' : 'No entry so far')}>
            {nextCursor === null ? null : <p>The next page searches on.</p>}
          </EmptyState>
        ) : (
          <EntriesTable frame={frame} entries={entries} addresses={addresses} />
        )}
        <Paging path={path} query={{ ...filter }} cursor={cursor} nextCursor={nextCursor} />
      </section>
    </ConsolePage>
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
            <input name="member" type="text" value={filter.member} maxlength={254} autocomplete="off" placeholder="Address or user id" />
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
        { label: 'Who', kind: 'wide', cell: (entry) => <Who entry={entry} base={frame.base} addresses={addresses} /> },
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
  gateway: 'the gateway itself',
  setup_link: 'somebody with a setup link',
  anonymous: 'nobody known',
};

interface WhoProps {
  readonly entry: AuditEntry;
  readonly base: string;
  readonly addresses: ReadonlyMap<string, string>;
}

/** Whom it concerns, and below that who did it, where that is somebody else. */
function Who({ entry: { actor, member_id: memberId }, base, addresses }: WhoProps) {
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

/** `name: value` for each; what is no text as JSON. */
export const detailsText = (details: NonNullable<AuditEntry['details']>): string =>
  Object.entries(details)
    .map(([name, value]) => `${name}: ${typeof value === 'string' ? value : JSON.stringify(value)}`)
    .join('; ');

export const isAuditEvent = (text: string): text is AuditEvent => Object.hasOwn(AUDIT_EVENTS, text);

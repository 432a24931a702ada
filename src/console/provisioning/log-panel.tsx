import type { ProvisioningCycle, ProvisioningLog, ProvisioningRequest } from '../../organizations/provisioning/provisioning-log.ts';
import type { Frame } from '../navigation.ts';
import { DataTable } from '../parts/data-table.tsx';
import { EmptyState } from '../parts/empty-state.tsx';
import { Facts } from '../parts/facts.tsx';
import { Near } from '../parts/moment.tsx';

const TEXTS = {
  log: 'Provisioning log',
  noRequests: 'No requests yet',
  howToStart:
    'Enter the base URL and a token at your identity provider, and test the connection there. Requests without a valid token are not listed. If the test fails with 401, create a new token.',
  isOff: 'The operator has turned the log off, so requests are only counted.',
  lastCycle: 'Last cycle',
  requests: 'Requests',
  counts: ({ requests, created, changed, removed, refused }: ProvisioningCycle) =>
    `${requests}: ${created} created, ${changed} changed, ${removed} deleted, ${refused} refused`,
  lastRequests: 'Last requests',
  request: 'Request',
  answer: 'Answer',
  user: 'User',
  reason: 'Reason',
} as const;

export interface LogPanelProps {
  readonly frame: Frame;
  readonly log: ProvisioningLog;
  /** Whether the gateway counts requests, but stores none. */
  readonly isOff: boolean;
}

/** Shows the last cycle of the identity provider and its last requests. */
export function LogPanel({ frame, log: { requests, cycle }, isOff }: LogPanelProps) {
  return (
    <section class="panel" aria-labelledby="log">
      <h2 id="log">{TEXTS.log}</h2>
      {cycle ? (
        <>
          <Cycle frame={frame} cycle={cycle} />
          <Requests frame={frame} requests={requests} />
        </>
      ) : (
        <EmptyState title={TEXTS.noRequests}>
          <p>{TEXTS.howToStart}</p>
        </EmptyState>
      )}
      {isOff ? <p class="small">{TEXTS.isOff}</p> : null}
    </section>
  );
}

const Cycle = ({ frame: { nowMs }, cycle }: { readonly frame: Frame; readonly cycle: ProvisioningCycle }) => (
  <Facts
    facts={[
      [
        TEXTS.lastCycle,
        <>
          started <Near ms={cycle.startedAtMs} nowMs={nowMs} />, last request <Near ms={cycle.lastAtMs} nowMs={nowMs} />
        </>,
      ],
      [TEXTS.requests, TEXTS.counts(cycle)],
    ]}
  />
);

const Requests = ({ frame, requests }: { readonly frame: Frame; readonly requests: readonly ProvisioningRequest[] }) =>
  requests.length === 0 ? null : (
    <details open={requests.some(({ status }) => status >= 400)}>
      <summary>{TEXTS.lastRequests}</summary>
      <DataTable
        label={TEXTS.lastRequests}
        rows={requests}
        columns={[
          {
            label: TEXTS.request,
            kind: 'heading',
            cell: ({ method, path, atMs }) => (
              <>
                {method} {path}
                <div class="sub">
                  <Near ms={atMs} nowMs={frame.nowMs} />
                </div>
              </>
            ),
          },
          {
            label: TEXTS.answer,
            cell: ({ status, scimType }) => (
              <>
                <span class={`badge ${status < 400 ? 'good' : 'bad'}`}>{status}</span> {scimType ?? ''}
              </>
            ),
          },
          {
            label: TEXTS.user,
            cell: ({ userName, memberId }) =>
              memberId === undefined ? (userName ?? '–') : <a href={`${frame.base}/members/${memberId}`}>{memberId}</a>,
          },
          { label: TEXTS.reason, kind: 'wide', cell: (request) => <Reason request={request} /> },
        ]}
      />
    </details>
  );

function Reason({ request }: { readonly request: ProvisioningRequest }) {
  if (request.status < 400) return <>–</>;
  return (
    <>
      {request.detail ?? ''}
      <div class="sub">{fixOf(request)}</div>
    </>
  );
}

/** What to change after an answer, by its status. */
const FIXES: Readonly<Record<number, string>> = {
  400: 'Change the attribute mapping of the application at the identity provider.',
  401: 'Create a SCIM token here, and enter it at the identity provider.',
  403: 'Ask the operator of this gateway for a higher quota, or delete members or groups that are no longer needed.',
  409: 'If this page lists a conflict, decide it. Otherwise, resolve the reason above at the identity provider.',
  412: 'The user or group was changed at the same moment. The identity provider repeats the request.',
  413: 'Send fewer attributes or fewer members in one request.',
  415: 'Send requests as application/scim+json.',
  429: 'The identity provider sends too many requests. It repeats them later.',
  499: 'The identity provider repeats the request. If this happens often, raise its time limit.',
  501: 'Turn off this feature at the identity provider.',
  503: 'The store of the gateway was not available. The identity provider repeats the request.',
};

/** What to change if a path does not exist. Others are about a user. */
const NOT_FOUND: Partial<Readonly<Record<ProvisioningRequest['path'], string>>> = {
  other: 'Correct the base URL at the identity provider.',
  'Groups/{id}': 'The group was deleted here. Push it again.',
};
const USER_NOT_FOUND = 'The user was removed here. Unassign the user at the identity provider, assign it again, and provision it.';

const fixOf = ({ status, path }: ProvisioningRequest): string =>
  status === 404
    ? (NOT_FOUND[path] ?? USER_NOT_FOUND)
    : (FIXES[status] ?? 'Ask the operator of this gateway to look for the request in its log.');

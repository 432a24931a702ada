import type { ProvisioningCycle, ProvisioningLog, ProvisioningRequest } from '../../organizations/provisioning/provisioning-log.ts';
import type { Frame } from '../navigation.ts';
import { DataTable } from '../parts/data-table.tsx';
import { EmptyState } from '../parts/empty-state.tsx';
import { Facts } from '../parts/facts.tsx';
import { Near } from '../parts/moment.tsx';

export interface LogPanelProps {
  readonly frame: Frame;
  readonly log: ProvisioningLog;
}

/** Shows the last cycle of the identity provider and its last requests. */
export function LogPanel({ frame, log: { requests, cycle } }: LogPanelProps) {
  return (
    <section class="panel" aria-labelledby="log">
      <h2 id="log">Provisioning log</h2>
      {cycle ? (
        <>
          <Cycle frame={frame} cycle={cycle} />
          <Requests frame={frame} requests={requests} />
        </>
      ) : (
        <EmptyState title="No requests yet">
          <p>Enter the base URL and a token at your identity provider, and test the connection there.</p>
        </EmptyState>
      )}
    </section>
  );
}

const Cycle = ({ frame: { nowMs }, cycle }: { readonly frame: Frame; readonly cycle: ProvisioningCycle }) => (
  <Facts
    facts={[
      [
        'Last cycle',
        <>
          started <Near ms={cycle.startedAtMs} nowMs={nowMs} />, last request <Near ms={cycle.lastAtMs} nowMs={nowMs} />
        </>,
      ],
      [
        'Requests',
        `${cycle.requests}: ${cycle.created} created, ${cycle.changed} changed, ${cycle.removed} deleted, ${cycle.refused} refused`,
      ],
    ]}
  />
);

const Requests = ({ frame, requests }: { readonly frame: Frame; readonly requests: readonly ProvisioningRequest[] }) =>
  requests.length === 0 ? null : (
    <details open={requests.some(({ status }) => status >= 400)}>
      <summary>Last requests</summary>
      <DataTable
        label="Last requests"
        rows={requests}
        columns={[
          {
            label: 'Request',
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
            label: 'Answer',
            cell: ({ status, scimType }) => (
              <>
                <span class={`badge ${status < 400 ? 'good' : 'bad'}`}>{status}</span> {scimType ?? ''}
              </>
            ),
          },
          {
            label: 'User',
            cell: ({ userName, memberId }) =>
              memberId === undefined ? (userName ?? '–') : <a href={`${frame.base}/members/${memberId}`}>{memberId}</a>,
          },
          { label: 'Reason', kind: 'wide', cell: (request) => <Reason request={request} /> },
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
  403: 'Ask the operator of this gateway for a higher quota, or remove members.',
  404: 'The user was removed here. Unassign the user at the identity provider, assign it again, and provision it.',
  409: 'Decide the conflict on this page, if there is one. Otherwise the user exists already.',
  412: 'The user was changed at the same moment. The identity provider repeats the request.',
  413: 'Send fewer attributes or fewer members in one request.',
  415: 'Send requests as application/scim+json.',
  429: 'The identity provider sends too many requests. It repeats them later.',
  501: 'Turn off this feature at the identity provider.',
  503: 'The store of the gateway was not available. The identity provider repeats the request.',
};

const fixOf = ({ status }: ProvisioningRequest): string =>
  FIXES[status] ?? 'Ask the operator of this gateway to look for the request in its log.';

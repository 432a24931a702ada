import type { ComponentChildren } from 'preact';
import type { ProvisioningCycle, ProvisioningLog, ProvisioningRequest } from '../../organizations/provisioning/provisioning-log.ts';
import { adviceOn } from '../../organizations/provisioning/request-advice.ts';
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
  cycleTimes: (started: ComponentChildren, lastRequest: ComponentChildren) => (
    <>
      started {started}, last request {lastRequest}
    </>
  ),
  requests: 'Requests',
  counts: ({ requests, created, changed, removed, refused }: ProvisioningCycle) =>
    `${requests}: ${created} created, ${changed} changed, ${removed} deleted, ${refused} refused`,
  lastRequests: 'Last requests',
  request: 'Request',
  answer: 'Answer',
  user: 'User',
  reason: 'Reason',
  none: '–',
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
      [TEXTS.lastCycle, TEXTS.cycleTimes(<Near ms={cycle.startedAtMs} nowMs={nowMs} />, <Near ms={cycle.lastAtMs} nowMs={nowMs} />)],
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
              memberId === undefined ? (userName ?? TEXTS.none) : <a href={`${frame.base}/members/${memberId}`}>{memberId}</a>,
          },
          { label: TEXTS.reason, kind: 'wide', cell: (request) => <Reason request={request} /> },
        ]}
      />
    </details>
  );

function Reason({ request }: { readonly request: ProvisioningRequest }) {
  if (request.status < 400) return <>{TEXTS.none}</>;
  return (
    <>
      {request.detail ?? ''}
      <div class="sub">{adviceOn(request)}</div>
    </>
  );
}

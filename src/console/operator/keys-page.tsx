import type { ListedKey } from '../../auth/keys/signing-keys.ts';
import { ConfirmationPage } from '../confirmation-page.tsx';
import { ConsolePage } from '../console-page.tsx';
import type { Frame } from '../navigation.ts';
import { ButtonForm } from '../parts/button-form.tsx';
import { counted } from '../parts/counted.ts';
import { DataTable } from '../parts/data-table.tsx';
import { Near } from '../parts/moment.tsx';

const STATES: Readonly<Record<ListedKey['key']['state'], readonly [badge: string, meaning: string]>> = {
  next: ['note', 'published, signs after the next rotation'],
  active: ['good', 'signs new tokens'],
  retired: ['', 'verifies existing tokens'],
  revoked: ['bad', 'its tokens are rejected'],
};

export interface KeysPageProps {
  readonly frame: Frame;
  /** Newest first. */
  readonly keys: readonly ListedKey[];
  /** 0 if keys rotate only by command. */
  readonly rotationDays: number;
}

/** Lists the keys that sign tokens. */
export function KeysPage({ frame, keys, rotationDays }: KeysPageProps) {
  return (
    <ConsolePage
      frame={frame}
      section="keys"
      title="Signing keys"
      lead={
        rotationDays === 0
          ? 'These keys sign session tokens and CLI tokens. Automatic rotation is off.'
          : `These keys sign session tokens and CLI tokens. The gateway rotates them every ${counted(rotationDays, 'day')}.`
      }
      actions={<ButtonForm action="/console/operator/keys/rotate" csrfToken={frame.csrfToken} label="Rotate keys" />}
    >
      <section class="panel" aria-label="Signing keys">
        <DataTable
          label="Signing keys"
          rows={keys}
          columns={[
            {
              label: 'Key',
              kind: 'heading',
              cell: ({ key }) => (
                <>
                  <code>{key.kid}</code>
                  <div class="sub">{key.algorithm}</div>
                </>
              ),
            },
            {
              label: 'State',
              cell: ({ key: { state } }) => (
                <>
                  <span class={`badge ${STATES[state][0]}`}>{state}</span>
                  <div class="sub">{STATES[state][1]}</div>
                </>
              ),
            },
            { label: 'Created', cell: ({ key }) => <Near ms={key.createdAtMs} nowMs={frame.nowMs} /> },
            { label: 'Active CLI tokens', cell: ({ cliTokens }) => cliTokens.toLocaleString('en') },
            {
              label: 'Actions',
              kind: 'actions',
              cell: ({ key: { kid, state } }) =>
                state === 'revoked' ? null : (
                  <a class="button quiet danger" href={`/console/operator/keys/${kid}/revoke`}>
                    Revoke…<span class="unseen"> {kid}</span>
                  </a>
                ),
            },
          ]}
        />
      </section>
    </ConsolePage>
  );
}

export function RevokeKeyPage({ frame, listed: { key, cliTokens } }: { readonly frame: Frame; readonly listed: ListedKey }) {
  return (
    <ConfirmationPage
      frame={frame}
      section="keys"
      title="Revoke this key?"
      action={`/console/operator/keys/${key.kid}/revoke`}
      yes={cliTokens === 0 ? 'Revoke key' : `Revoke key and ${counted(cliTokens, 'CLI token')}`}
      cancelHref="/console/operator/keys"
    >
      <p>
        <code>{key.kid}</code>, {key.algorithm}, <strong>{key.state}</strong>
      </p>
      <p>Do this only if the private key may have leaked. For a routine change, rotate the keys instead; no token is revoked then.</p>
      <ul>
        <li>
          {cliTokens === 0
            ? 'No CLI token was signed with it.'
            : `${counted(cliTokens, 'CLI token')} across all organizations will be revoked. Their members must create new ones.`}
        </li>
        <li>Session tokens that it signed are rejected. They would have expired within ten minutes.</li>
        {key.state === 'active' ? <li>The next key becomes active.</li> : null}
      </ul>
      <p>This takes a few seconds, until every replica has applied it.</p>
    </ConfirmationPage>
  );
}

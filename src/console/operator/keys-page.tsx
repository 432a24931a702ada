import type { ComponentChildren } from 'preact';
import type { ListedKey } from '../../auth/keys/signing-keys.ts';
import { ConfirmationPage } from '../confirmation-page.tsx';
import { ConsolePage } from '../console-page.tsx';
import type { Frame } from '../navigation.ts';
import { ButtonForm } from '../parts/button-form.tsx';
import { counted } from '../parts/counted.ts';
import { DataTable } from '../parts/data-table.tsx';
import { Near } from '../parts/moment.tsx';

const TEXTS = {
  signingKeys: 'Signing keys',
  notRotated: 'These keys sign session tokens and CLI tokens. Automatic rotation is off.',
  rotatedEvery: (days: number) => `These keys sign session tokens and CLI tokens. The gateway rotates them every ${counted(days, 'day')}.`,
  rotateKeys: 'Rotate keys',
  key: 'Key',
  state: 'State',
  created: 'Created',
  activeCliTokens: 'Active CLI tokens',
  actions: 'Actions',
  openRevocation: (kid: string) => (
    <>
      Revoke…<span class="unseen"> {kid}</span>
    </>
  ),
  revokeQuestion: 'Revoke this key?',
  revokeKey: 'Revoke key',
  revokeKeyAnd: (cliTokens: number) => `Revoke key and ${counted(cliTokens, 'CLI token')}`,
  keyFacts: (kid: ComponentChildren, algorithm: string, state: string) => (
    <>
      {kid}, {algorithm}, <strong>{state}</strong>
    </>
  ),
  whenToRevoke: 'Do this only if the private key may have leaked. For a routine change, rotate the keys instead; no token is revoked then.',
  revokesNoCliToken: 'No CLI token was signed with it.',
  revokesCliTokens: (count: number) =>
    `${counted(count, 'CLI token')} across all organizations will be revoked. Their members must create new ones.`,
  rejectsSessionTokens: 'Session tokens that it signed are rejected. They would have expired within ten minutes.',
  activatesNextKey: 'The next key becomes active.',
  takesSeconds: 'This takes a few seconds, until every replica has applied it.',
} as const;

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
      title={TEXTS.signingKeys}
      lead={rotationDays === 0 ? TEXTS.notRotated : TEXTS.rotatedEvery(rotationDays)}
      actions={<ButtonForm action="/console/operator/keys/rotate" csrfToken={frame.csrfToken} label={TEXTS.rotateKeys} />}
    >
      <section class="panel" aria-label={TEXTS.signingKeys}>
        <DataTable
          label={TEXTS.signingKeys}
          rows={keys}
          columns={[
            {
              label: TEXTS.key,
              kind: 'heading',
              cell: ({ key }) => (
                <>
                  <code>{key.kid}</code>
                  <div class="sub">{key.algorithm}</div>
                </>
              ),
            },
            {
              label: TEXTS.state,
              cell: ({ key: { state } }) => (
                <>
                  <span class={`badge ${STATES[state][0]}`}>{state}</span>
                  <div class="sub">{STATES[state][1]}</div>
                </>
              ),
            },
            { label: TEXTS.created, cell: ({ key }) => <Near ms={key.createdAtMs} nowMs={frame.nowMs} /> },
            { label: TEXTS.activeCliTokens, cell: ({ cliTokens }) => cliTokens.toLocaleString('en') },
            {
              label: TEXTS.actions,
              kind: 'actions',
              cell: ({ key: { kid, state } }) =>
                state === 'revoked' ? null : (
                  <a class="button quiet danger" href={`/console/operator/keys/${kid}/revoke`}>
                    {TEXTS.openRevocation(kid)}
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
      title={TEXTS.revokeQuestion}
      action={`/console/operator/keys/${key.kid}/revoke`}
      yes={cliTokens === 0 ? TEXTS.revokeKey : TEXTS.revokeKeyAnd(cliTokens)}
      cancelHref="/console/operator/keys"
    >
      <p>{TEXTS.keyFacts(<code>{key.kid}</code>, key.algorithm, key.state)}</p>
      <p>{TEXTS.whenToRevoke}</p>
      <ul>
        <li>{cliTokens === 0 ? TEXTS.revokesNoCliToken : TEXTS.revokesCliTokens(cliTokens)}</li>
        <li>{TEXTS.rejectsSessionTokens}</li>
        {key.state === 'active' ? <li>{TEXTS.activatesNextKey}</li> : null}
      </ul>
      <p>{TEXTS.takesSeconds}</p>
    </ConfirmationPage>
  );
}

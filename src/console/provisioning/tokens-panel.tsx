import type { ScimToken } from '../../auth/tokens/scim-tokens.ts';
import type { TokenUse } from '../../auth/tokens/token-use.ts';
import { ConsolePage } from '../console-page.tsx';
import { LastUse } from '../credentials/last-use.tsx';
import type { Frame } from '../navigation.ts';
import { ButtonForm } from '../parts/button-form.tsx';
import { Copy } from '../parts/copy.tsx';
import { DataTable } from '../parts/data-table.tsx';
import { EmptyState } from '../parts/empty-state.tsx';
import { Facts } from '../parts/facts.tsx';
import { ForeignText, visibleText } from '../parts/foreign-text.tsx';
import { PostForm } from '../parts/form.tsx';
import { Moment, Near } from '../parts/moment.tsx';
import { Callout } from '../parts/notice.tsx';

const TEXTS = {
  scimTokens: 'SCIM tokens',
  scimToken: 'SCIM token',
  noTokenYet: 'No SCIM token yet',
  howToUse: 'Create a token, then enter it at your identity provider with the base URL.',
  name: 'Name',
  state: 'State',
  lastUsed: 'Last used',
  expires: 'Expires',
  never: 'never',
  actions: 'Actions',
  revoke: 'Revoke',
  confirmRevocation: (name: string) => `Revoke “${name}”? The identity provider can no longer use it.`,
  newToken: 'New SCIM token',
  whatHolderCanDo:
    'The holder of the token creates, changes, deactivates and removes the users of this connection. To rotate a token, create the second one, enter it at the identity provider, and revoke the first one.',
  nameExample: 'For example: Okta',
  expiresAfter: 'Expires after',
  createToken: 'Create token',
  provisioning: 'Provisioning',
  yourNewToken: 'Your new SCIM token',
  copyNow: (
    <>
      <strong>Copy this token now.</strong> It is shown only once and is not stored. Its holder decides who has access to this organization
      through the connection.
    </>
  ),
  baseUrl: 'Base URL',
  baseUrlToCopy: 'base URL',
  copied: 'I have copied the token',
} as const;

const STATES = {
  valid: ['good', 'valid'],
  expired: ['bad', 'expired'],
  draft: ['warning', 'not active'],
  ended: ['bad', 'ended with the connection'],
} as const;

const REFUSALS = {
  disabled: 'This connection is disabled. Enable it before you create a token.',
  full: 'A connection can have two valid tokens. Revoke one of them before you create another one.',
} as const;

const LIFETIMES: readonly (readonly [days: string, label: string])[] = [
  ['90', '90 days'],
  ['180', '180 days'],
  ['365', '1 year'],
  ['', 'never'],
];

export interface ListedScimToken {
  readonly token: ScimToken;
  readonly state: 'valid' | 'expired' | 'connection_inactive';
  readonly use: TokenUse | undefined;
}

export interface TokensPanelProps {
  readonly frame: Frame;
  /** The path of the page. */
  readonly path: string;
  readonly tokens: readonly ListedScimToken[];
  /** Why no token can be created. */
  readonly refusal: 'disabled' | 'full' | undefined;
  /** Whether the connection waits for its activation. */
  readonly isDraft: boolean;
}

/** Lists the SCIM tokens of a connection. */
export function TokensPanel({ frame, path, tokens, refusal, isDraft }: TokensPanelProps) {
  return (
    <section class="panel" aria-labelledby="tokens">
      <h2 id="tokens">{TEXTS.scimTokens}</h2>
      {tokens.length === 0 ? (
        <EmptyState title={TEXTS.noTokenYet}>
          <p>{refusal === 'disabled' ? REFUSALS.disabled : TEXTS.howToUse}</p>
        </EmptyState>
      ) : (
        <DataTable
          label={TEXTS.scimTokens}
          rows={tokens}
          columns={[
            { label: TEXTS.name, kind: 'heading', cell: ({ token }) => <ForeignText text={token.name} /> },
            { label: TEXTS.state, cell: ({ state }) => <StateBadge state={state} isDraft={isDraft} /> },
            { label: TEXTS.lastUsed, cell: ({ use }) => <LastUse use={use} nowMs={frame.nowMs} /> },
            {
              label: TEXTS.expires,
              cell: ({ token: { expiresAtMs } }) =>
                expiresAtMs === undefined ? TEXTS.never : <Near ms={expiresAtMs} nowMs={frame.nowMs} />,
            },
            {
              label: TEXTS.actions,
              kind: 'actions',
              cell: ({ token: { id, name } }) => (
                <ButtonForm
                  action={`${path}/tokens/${id}/revoke`}
                  csrfToken={frame.csrfToken}
                  label={TEXTS.revoke}
                  about={visibleText(name)}
                  question={TEXTS.confirmRevocation(visibleText(name))}
                  danger
                />
              ),
            },
          ]}
        />
      )}
      {refusal === undefined ? <NewTokenForm frame={frame} path={path} isOpen={tokens.length === 0} /> : null}
      {refusal !== undefined && tokens.length > 0 ? <p class="small">{REFUSALS[refusal]}</p> : null}
    </section>
  );
}

function StateBadge({ state, isDraft }: Pick<ListedScimToken, 'state'> & Pick<TokensPanelProps, 'isDraft'>) {
  const [badge, text] = STATES[state === 'connection_inactive' ? (isDraft ? 'draft' : 'ended') : state];
  return <span class={`badge ${badge}`}>{text}</span>;
}

interface NewTokenFormProps {
  readonly frame: Frame;
  readonly path: string;
  readonly isOpen: boolean;
}

const NewTokenForm = ({ frame, path, isOpen }: NewTokenFormProps) => (
  <details class="new-token" open={isOpen}>
    <summary>{TEXTS.newToken}</summary>
    <p>{TEXTS.whatHolderCanDo}</p>
    <PostForm action={`${path}/tokens`} csrfToken={frame.csrfToken}>
      <fieldset class="row">
        <legend class="unseen">{TEXTS.newToken}</legend>
        <label>
          {TEXTS.name}
          <input name="name" type="text" required maxlength={100} autocomplete="off" placeholder={TEXTS.nameExample} />
        </label>
        <label class="narrow">
          {TEXTS.expiresAfter}
          <select name="expires_in_days">
            {LIFETIMES.map(([days, label]) => (
              <option value={days} selected={days === '365'}>
                {label}
              </option>
            ))}
          </select>
        </label>
        <button type="submit">{TEXTS.createToken}</button>
      </fieldset>
    </PostForm>
  </details>
);

export interface NewScimTokenPageProps {
  readonly frame: Frame;
  readonly path: string;
  readonly baseUrl: string;
  readonly created: { readonly name: string; readonly token: string; readonly expiresAtMs?: number | undefined };
}

/** Shows a new token. No other page ever shows it. */
export const NewScimTokenPage = ({ frame, path, baseUrl, created: { name, token, expiresAtMs } }: NewScimTokenPageProps) => (
  <ConsolePage frame={frame} section="provisioning" title={TEXTS.yourNewToken} back={{ href: path, label: TEXTS.provisioning }}>
    <div class="panel">
      <Callout kind="warning">
        <p>{TEXTS.copyNow}</p>
      </Callout>
      <Copy value={token} what={TEXTS.scimToken} block />
      <Facts
        facts={[
          [TEXTS.baseUrl, <Copy value={baseUrl} what={TEXTS.baseUrlToCopy} />],
          [TEXTS.name, name],
          [TEXTS.expires, expiresAtMs === undefined ? TEXTS.never : <Moment ms={expiresAtMs} />],
        ]}
      />
      <p class="buttons">
        <a class="button" href={path}>
          {TEXTS.copied}
        </a>
      </p>
    </div>
  </ConsolePage>
);

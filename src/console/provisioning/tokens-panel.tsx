import type { ScimToken } from '../../auth/tokens/scim-tokens.ts';
import type { TokenUse } from '../../auth/tokens/token-use.ts';
import { ConsolePage } from '../console-page.tsx';
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
import { userAgentText } from '../parts/user-agent.tsx';

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
      <h2 id="tokens">SCIM tokens</h2>
      {tokens.length === 0 ? (
        <EmptyState title="No SCIM token yet">
          <p>{refusal === 'disabled' ? REFUSALS.disabled : 'Create a token, then enter it at your identity provider with the base URL.'}</p>
        </EmptyState>
      ) : (
        <DataTable
          label="SCIM tokens"
          rows={tokens}
          columns={[
            { label: 'Name', kind: 'heading', cell: ({ token }) => <ForeignText text={token.name} /> },
            { label: 'State', cell: ({ state }) => <StateBadge state={state} isDraft={isDraft} /> },
            { label: 'Last used', cell: ({ use }) => <LastUse use={use} nowMs={frame.nowMs} /> },
            {
              label: 'Expires',
              cell: ({ token: { expiresAtMs } }) => (expiresAtMs === undefined ? 'never' : <Near ms={expiresAtMs} nowMs={frame.nowMs} />),
            },
            {
              label: 'Actions',
              kind: 'actions',
              cell: ({ token: { id, name } }) => (
                <ButtonForm
                  action={`${path}/tokens/${id}/revoke`}
                  csrfToken={frame.csrfToken}
                  label="Revoke"
                  about={visibleText(name)}
                  question={`Revoke “${visibleText(name)}”? The identity provider can no longer use it.`}
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

const REFUSALS = {
  disabled: 'This connection is disabled. Enable it before you create a token.',
  full: 'A connection can have two valid tokens. Revoke one of them before you create another one.',
} as const;

function StateBadge({ state, isDraft }: Pick<ListedScimToken, 'state'> & Pick<TokensPanelProps, 'isDraft'>) {
  if (state === 'valid') return <span class="badge good">valid</span>;
  if (state === 'expired') return <span class="badge bad">expired</span>;
  return isDraft ? <span class="badge warning">not active</span> : <span class="badge bad">ended with the connection</span>;
}

function LastUse({ use, nowMs }: { readonly use: TokenUse | undefined; readonly nowMs: number }) {
  if (!use) return <>never</>;
  return (
    <>
      <Near ms={use.atMs} nowMs={nowMs} />
      <div class="sub">
        from <ForeignText text={use.address ?? 'an unknown address'} />, {userAgentText(use.userAgent)}
      </div>
    </>
  );
}

const LIFETIMES: readonly (readonly [days: string, label: string])[] = [
  ['90', '90 days'],
  ['180', '180 days'],
  ['365', '1 year'],
  ['', 'never'],
];

interface NewTokenFormProps {
  readonly frame: Frame;
  readonly path: string;
  readonly isOpen: boolean;
}

const NewTokenForm = ({ frame, path, isOpen }: NewTokenFormProps) => (
  <details class="new-token" open={isOpen}>
    <summary>New SCIM token</summary>
    <p>
      The holder of the token creates, changes, deactivates and removes the users of this connection. To rotate a token, create the second
      one, enter it at the identity provider, and revoke the first one.
    </p>
    <PostForm action={`${path}/tokens`} csrfToken={frame.csrfToken}>
      <fieldset class="row">
        <legend class="unseen">A new SCIM token</legend>
        <label>
          Name
          <input name="name" type="text" required maxlength={100} autocomplete="off" placeholder="For example: Okta" />
        </label>
        <label class="narrow">
          Expires after
          <select name="expires_in_days">
            {LIFETIMES.map(([days, label]) => (
              <option value={days} selected={days === '365'}>
                {label}
              </option>
            ))}
          </select>
        </label>
        <button type="submit">Create token</button>
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
  <ConsolePage frame={frame} section="provisioning" title="Your new SCIM token" back={{ href: path, label: 'Provisioning' }}>
    <div class="panel">
      <Callout kind="warning">
        <p>
          <strong>Copy this token now.</strong> It is shown only once and is not stored. Its holder decides who has access to this
          organization through the connection.
        </p>
      </Callout>
      <Copy value={token} what="SCIM token" block />
      <Facts
        facts={[
          ['Base URL', <Copy value={baseUrl} what="base URL" />],
          ['Name', name],
          ['Expires', expiresAtMs === undefined ? 'never' : <Moment ms={expiresAtMs} />],
        ]}
      />
      <p class="buttons">
        <a class="button" href={path}>
          I have copied the token
        </a>
      </p>
    </div>
  </ConsolePage>
);

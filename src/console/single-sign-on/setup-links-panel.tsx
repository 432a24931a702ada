import type { SetupLink, SetupLinkState } from '../../organizations/setup/setup-links.ts';
import { ConsolePage } from '../console-page.tsx';
import type { Frame } from '../navigation.ts';
import { ButtonForm } from '../parts/button-form.tsx';
import { Copy } from '../parts/copy.tsx';
import { DataTable } from '../parts/data-table.tsx';
import { ForeignText } from '../parts/foreign-text.tsx';
import { PostForm } from '../parts/form.tsx';
import { Moment, momentText } from '../parts/moment.tsx';

/** A setup link with its state. */
export interface ListedSetupLink {
  readonly id: string;
  readonly link: SetupLink;
  readonly state: SetupLinkState;
  /** The name of the connection. Undefined if it was deleted or does not exist yet. */
  readonly connectionName: string | undefined;
}

export interface SetupLinksPanelProps {
  readonly frame: Frame;
  /** Newest first. */
  readonly links: readonly ListedSetupLink[];
}

const STATES: Readonly<Record<SetupLinkState, readonly [badge: string, text: string]>> = {
  open: ['note', 'not used yet'],
  used: ['good', 'used'],
  revoked: ['bad', 'revoked'],
  expired: ['warning', 'expired'],
};

/** Lets owners and the operator create and revoke setup links. */
export function SetupLinksPanel({ frame, links }: SetupLinksPanelProps) {
  const path = `${frame.singleSignOnPath}/setup-links`;
  return (
    <section class="panel" aria-labelledby="setup-links">
      <h2 id="setup-links">Setup links</h2>
      <p>
        A setup link lets an IT administrator without an account use this page and the test sign-in, and nothing else. Each link works once,
        so send it to one person.
      </p>
      {links.length === 0 ? null : (
        <DataTable
          label="Setup links"
          rows={links}
          columns={[
            { label: 'Created', kind: 'heading', cell: ({ link }) => <Moment ms={link.createdAtMs} /> },
            {
              label: 'Connection',
              cell: ({ connectionName }) => (connectionName === undefined ? 'none' : <ForeignText text={connectionName} />),
            },
            { label: 'By', cell: ({ link: { createdBy } }) => <ForeignText text={createdBy.email ?? 'the operator'} /> },
            { label: 'State', cell: ({ state }) => <span class={`badge ${STATES[state][0]}`}>{STATES[state][1]}</span> },
            {
              label: 'Used or expires',
              cell: ({ link }) => <Moment ms={link.usedAtMs ?? link.expiresAtMs} />,
            },
            {
              label: 'Actions',
              kind: 'actions',
              cell: ({ id, state, link }) =>
                state === 'open' || state === 'used' ? (
                  <ButtonForm
                    action={`${path}/${id}/revoke`}
                    csrfToken={frame.csrfToken}
                    label="Revoke"
                    about={`the link created ${momentText(link.createdAtMs)}`}
                    danger
                  />
                ) : null,
            },
          ]}
        />
      )}
      <PostForm action={path} csrfToken={frame.csrfToken}>
        <label>
          Expires after
          <select name="expires_in_days">
            {[1, 7, 14, 30].map((days) => (
              <option value={String(days)} selected={days === 7}>
                {days === 1 ? '1 day' : `${days} days`}
              </option>
            ))}
          </select>
        </label>
        <button type="submit" class="secondary">
          Create setup link
        </button>
      </PostForm>
    </section>
  );
}

export interface NewSetupLinkPageProps {
  readonly frame: Frame;
  readonly url: string;
  readonly expiresAtMs: number;
}

export const NewSetupLinkPage = ({ frame, url, expiresAtMs }: NewSetupLinkPageProps) => (
  <ConsolePage
    frame={frame}
    section="single-sign-on"
    title="Setup link"
    lead="Copy this link now. It is shown only once."
    back={{ href: frame.singleSignOnPath, label: 'Single sign-on' }}
  >
    <section class="panel" aria-label="Setup link">
      <Copy value={url} what="setup link" block />
      <p>
        Send it to the administrator of the identity provider over a private channel, because the first person who opens it decides who can
        sign in. If it is not used, it expires on {momentText(expiresAtMs)}.
      </p>
    </section>
  </ConsolePage>
);

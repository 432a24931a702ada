import type { SetupLink, SetupLinkState } from '../../organizations/setup/setup-links.ts';
import { ConsolePage } from '../console-page.tsx';
import type { Frame } from '../navigation.ts';
import { ButtonForm } from '../parts/button-form.tsx';
import { Copy } from '../parts/copy.tsx';
import { counted } from '../parts/counted.ts';
import { DataTable } from '../parts/data-table.tsx';
import { ForeignText } from '../parts/foreign-text.tsx';
import { PostForm } from '../parts/form.tsx';
import { Moment, momentText } from '../parts/moment.tsx';

const TEXTS = {
  setupLinks: 'Setup links',
  whatSetupLinksDo:
    'A setup link lets an IT administrator without an account use this page and the test sign-in, and nothing else. Each link works once, so send it to one person.',
  created: 'Created',
  connection: 'Connection',
  noConnection: 'none',
  by: 'By',
  operator: 'the operator',
  state: 'State',
  usedOrExpires: 'Used or expires',
  actions: 'Actions',
  revoke: 'Revoke',
  linkCreated: (time: string) => `the link created ${time}`,
  expiresAfter: 'Expires after',
  createSetupLink: 'Create setup link',
  setupLink: 'Setup link',
  copyLinkNow: 'Copy this link now. It is shown only once.',
  singleSignOn: 'Single sign-on',
  setupLinkToCopy: 'setup link',
  howToSend: (expiresAt: string) =>
    `Send it to the identity provider’s administrator over a private channel, because the first person who opens it decides who can sign in. If it is not used, it expires on ${expiresAt}.`,
} as const;

/** A setup link with its state. */
export interface ListedSetupLink {
  readonly id: string;
  readonly link: SetupLink;
  readonly state: SetupLinkState;
  /** The connection's name. Undefined if it was deleted or does not exist yet. */
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
      <h2 id="setup-links">{TEXTS.setupLinks}</h2>
      <p>{TEXTS.whatSetupLinksDo}</p>
      {links.length === 0 ? null : (
        <DataTable
          label={TEXTS.setupLinks}
          rows={links}
          columns={[
            { label: TEXTS.created, kind: 'heading', cell: ({ link }) => <Moment ms={link.createdAtMs} /> },
            {
              label: TEXTS.connection,
              cell: ({ connectionName }) => (connectionName === undefined ? TEXTS.noConnection : <ForeignText text={connectionName} />),
            },
            { label: TEXTS.by, cell: ({ link: { createdBy } }) => <ForeignText text={createdBy.email ?? TEXTS.operator} /> },
            { label: TEXTS.state, cell: ({ state }) => <span class={`badge ${STATES[state][0]}`}>{STATES[state][1]}</span> },
            {
              label: TEXTS.usedOrExpires,
              cell: ({ link }) => <Moment ms={link.usedAtMs ?? link.expiresAtMs} />,
            },
            {
              label: TEXTS.actions,
              kind: 'actions',
              cell: ({ id, state, link }) =>
                state === 'open' || state === 'used' ? (
                  <ButtonForm
                    action={`${path}/${id}/revoke`}
                    csrfToken={frame.csrfToken}
                    label={TEXTS.revoke}
                    about={TEXTS.linkCreated(momentText(link.createdAtMs))}
                    danger
                  />
                ) : null,
            },
          ]}
        />
      )}
      <PostForm action={path} csrfToken={frame.csrfToken}>
        <label>
          {TEXTS.expiresAfter}
          <select name="expires_in_days">
            {[1, 7, 14, 30].map((days) => (
              <option value={String(days)} selected={days === 7}>
                {counted(days, 'day')}
              </option>
            ))}
          </select>
        </label>
        <button type="submit" class="secondary">
          {TEXTS.createSetupLink}
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
    title={TEXTS.setupLink}
    lead={TEXTS.copyLinkNow}
    back={{ href: frame.singleSignOnPath, label: TEXTS.singleSignOn }}
  >
    <section class="panel" aria-label={TEXTS.setupLink}>
      <Copy value={url} what={TEXTS.setupLinkToCopy} block />
      <p>{TEXTS.howToSend(momentText(expiresAtMs))}</p>
    </section>
  </ConsolePage>
);

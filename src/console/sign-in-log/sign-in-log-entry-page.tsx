import { CHECK_TITLES, type LoggedCheck } from '../../auth/sign-in-log/sign-in-checks.ts';
import type { SignInLogEntry } from '../../auth/sign-in-log/sign-in-log.ts';
import { errorText } from '../../errors.ts';
import { hintFor } from '../../saml/explain/idp-screens.ts';
import type { MaskedAttribute, MaskedRow, MaskedValue } from '../../saml/explain/masking.ts';
import { ConsolePage } from '../console-page.tsx';
import { groupsText } from '../members/role-reason.ts';
import type { Frame } from '../navigation.ts';
import { DataTable } from '../parts/data-table.tsx';
import { Facts } from '../parts/facts.tsx';
import { ForeignText, visibleText } from '../parts/foreign-text.tsx';
import { PostForm } from '../parts/form.tsx';
import { Moment } from '../parts/moment.tsx';
import { Callout } from '../parts/notice.tsx';
import { OfferedIdentifiers } from '../single-sign-on/identifier-panel.tsx';
import { OutcomeBadge } from './sign-in-log-page.tsx';

export interface SignInPageProps {
  readonly frame: Frame;
  readonly entry: SignInLogEntry;
  /** Email address of the member who signed in. */
  readonly address: string | undefined;
  /** An attribute from which groups could be read, if none were sent. */
  readonly groupsAttribute: string | undefined;
  /** Whether the connection still exists and is not disabled. */
  readonly canTest: boolean;
  /** Whether the viewer may change the settings of the connection. */
  readonly canChange: boolean;
  /** The path of the page that activates the connection, if it is a draft. */
  readonly goLivePath: string | undefined;
}

/** One sign-in: its outcome, every check with the expected and the received value, and the setting to change. */
export function SignInPage({ frame, entry, address, groupsAttribute, canTest, canChange, goLivePath }: SignInPageProps) {
  const isSetup = frame.viewer.kind === 'setup';
  const path = `${frame.base}/sign-ins`;
  const back = isSetup ? { href: `${frame.base}/single-sign-on`, label: 'Single sign-on' } : { href: path, label: 'Sign-in log' };
  return (
    <ConsolePage
      frame={frame}
      section={isSetup ? 'single-sign-on' : 'sign-ins'}
      title={titleOf(entry)}
      back={back}
      actions={
        <>
          <a class="button quiet" href={`${path}/${entry.id}/bundle`} download>
            Download support bundle
          </a>
          {canTest ? (
            <PostForm action={`${frameOfConnection(frame, entry).singleSignOnPath}/test`} csrfToken={frame.csrfToken} inline>
              <button type="submit" class="quiet">
                Test sign-in
              </button>
            </PostForm>
          ) : null}
        </>
      }
    >
      <Verdict entry={entry} goLivePath={goLivePath} />
      {groupsAttribute === undefined ? null : (
        <GroupsSuggestion action={`${path}/${entry.id}/groups-attribute`} csrfToken={frame.csrfToken} name={groupsAttribute} />
      )}
      {canChange && lacksIdentifier(entry) ? (
        <OfferedIdentifiers frame={frameOfConnection(frame, entry)} offered={entry.offeredIdentifiers ?? []} />
      ) : null}
      <section class="panel" aria-labelledby="details">
        <h2 id="details">Details</h2>
        <EntryFacts frame={frame} entry={entry} address={address} />
      </section>
      <Checks entry={entry} />
      <Structure entry={entry} />
    </ConsolePage>
  );
}

/** Only a verified response may suggest an identifier. Otherwise a stranger could suggest one that fits a response of their own. */
const lacksIdentifier = ({ code, isVerified }: SignInLogEntry): boolean =>
  isVerified && (code === 'saml_name_id_missing' || code === 'saml_identifier_changed');

const titleOf = ({ kind, outcome }: SignInLogEntry): string =>
  kind === 'test'
    ? outcome === 'accepted'
      ? 'The test sign-in succeeded'
      : 'The test sign-in was refused'
    : outcome === 'accepted'
      ? 'Accepted sign-in'
      : 'Refused sign-in';

interface GroupsSuggestionProps {
  readonly action: string;
  readonly csrfToken: string;
  readonly name: string;
}

const GroupsSuggestion = ({ action, csrfToken, name }: GroupsSuggestionProps) => (
  <Callout kind="note">
    <p>
      The identity provider sent no groups, but it sent the attribute <code>{visibleText(name)}</code>, in which some products send groups
      or roles. If its values are groups of your organization, the gateway can read them as groups. Role rules then apply to them.
    </p>
    <PostForm action={action} csrfToken={csrfToken} inline>
      <button type="submit">Read groups from {visibleText(name)}</button>
    </PostForm>
  </Callout>
);

function Verdict({ entry, goLivePath }: Pick<SignInPageProps, 'entry' | 'goLivePath'>) {
  if (entry.outcome === 'refused') return <Refusal entry={entry} />;
  if (entry.kind !== 'test') return null;
  return (
    <div class="notice done">
      <p>Every check passed, so users can sign in with these settings. The test created no session and changed no member.</p>
      {goLivePath === undefined ? null : (
        <p>
          The connection is still a draft. <a href={goLivePath}>Go live</a> to let users sign in.
        </p>
      )}
    </div>
  );
}

function Refusal({ entry: { code, variant, refusal, idpKind, isVerified } }: { readonly entry: SignInLogEntry }) {
  const text = code && errorText(code, 'administrator', variant);
  const hint = code && hintFor(code, idpKind);
  return (
    <div class="notice problem">
      <p>
        <strong>{text ? `${text.title}.` : 'The sign-in was refused.'}</strong>
        {refusal?.detail === undefined ? null : (
          <>
            {' '}
            <ForeignText text={refusal.detail} />
          </>
        )}
      </p>
      <ComparedValues {...refusal} />
      {hint || text ? (
        <p>
          <strong>What to change:</strong> {hint ? hint.text : text?.advice}
        </p>
      ) : null}
      {isVerified ? null : <p>No valid signature covers the response, so nothing in it need be true.</p>}
    </div>
  );
}

function ComparedValues({ wanted, got }: { readonly wanted?: string; readonly got?: string }) {
  if (wanted === undefined && got === undefined) return null;
  const code = (text: string | undefined) => text && <code>{visibleText(text)}</code>;
  return (
    <Facts
      facts={[
        ['Expected', code(wanted)],
        ['Received', code(got)],
      ]}
    />
  );
}

function EntryFacts({ frame, entry, address }: Pick<SignInPageProps, 'frame' | 'entry' | 'address'>) {
  const { memberId, role, roleSource, groups, examination, requestId } = entry;
  const reason = roleSource?.kind === 'rule' ? `by the rule for the group ${visibleText(roleSource.group)}` : 'by default';
  const member = address ?? memberId;
  return (
    <Facts
      facts={[
        ['Result', <OutcomeBadge entry={entry} />],
        ['Time', <Moment ms={entry.atMs} />],
        ['IP address', entry.address],
        ['Request ID', requestId && <code>{requestId}</code>],
        [
          'Member',
          member === undefined || frame.viewer.kind === 'setup' ? undefined : (
            <a href={`${frame.base}/members/${memberId}`}>
              <ForeignText text={member} />
            </a>
          ),
        ],
        ['Role', role && `${role}, ${reason}`],
        ['Groups', groups && `${groupsText({ ...groups })}${groups.omitted > 0 ? `, and ${groups.omitted} more` : ''}`],
        ['Attributes', entry.attributeNames.length === 0 ? undefined : entry.attributeNames.map(visibleText).join(', ')],
        ['Identity provider’s clock', examination?.clockOffsetMs === undefined ? undefined : clockText(examination.clockOffsetMs)],
        ['Signed with', signersText(entry)],
      ]}
    />
  );
}

/** A clock that is ahead is wrong. A few seconds behind is the time that the response was on its way. */
function clockText(offsetMs: number): string {
  const seconds = Math.round(Math.abs(offsetMs) / 1000);
  if (seconds < 2) return 'in sync with the gateway';
  return offsetMs > 0
    ? `${seconds.toLocaleString('en')} seconds ahead of the gateway`
    : `the response was created ${seconds.toLocaleString('en')} seconds before it arrived`;
}

function signersText({ examination }: SignInLogEntry) {
  if (examination === undefined || examination.verifiedBy.length === 0) return undefined;
  return examination.verifiedBy.map(({ part, fingerprint, isExpired }) => (
    <div>
      {part}: <code>{fingerprint}</code> {isExpired ? <span class="badge warning">certificate expired</span> : null}
    </div>
  ));
}

function Checks({ entry: { examination, idpKind } }: { readonly entry: SignInLogEntry }) {
  if (!examination) {
    return (
      <Callout kind="note">
        <p>The response was not examined, because it could not be read or too many were refused at that time.</p>
      </Callout>
    );
  }
  const reached = examination.checks.filter(({ outcome }) => outcome !== 'not_reached');
  const notReached = examination.checks.filter(({ outcome }) => outcome === 'not_reached');
  return (
    <section class="panel" aria-labelledby="checks">
      <h2 id="checks">Checks</h2>
      <DataTable
        label="Checks"
        rows={reached}
        columns={[
          { label: 'Check', kind: 'heading', cell: ({ name }) => CHECK_TITLES[name] },
          { label: 'Result', cell: ({ outcome }) => <span class={outcome === 'passed' ? 'badge good' : 'badge bad'}>{outcome}</span> },
          { label: 'Finding', cell: (check) => <Finding check={check} hint={check.code && hintFor(check.code, idpKind)?.text} /> },
        ]}
      />
      {notReached.length === 0 ? null : (
        <details>
          <summary>{notReached.length === 1 ? 'One check was' : `${notReached.length} checks were`} not reached</summary>
          <ul>
            {notReached.map(({ name }) => (
              <li>{CHECK_TITLES[name]}</li>
            ))}
          </ul>
        </details>
      )}
    </section>
  );
}

function Finding({ check, hint }: { readonly check: LoggedCheck; readonly hint: string | undefined }) {
  const { detail, wanted, got, isUnsigned, outcome } = check;
  if (detail === undefined && wanted === undefined && got === undefined && hint === undefined) return <>–</>;
  return (
    <>
      {detail === undefined ? null : (
        <div>
          <ForeignText text={detail} />
        </div>
      )}
      {wanted === undefined ? null : (
        <div>
          expected <code>{visibleText(wanted)}</code>
        </div>
      )}
      {got === undefined ? null : (
        <div>
          received <code>{visibleText(got)}</code>
        </div>
      )}
      {isUnsigned ? <span class="sub">Not signed, so anyone can have written it.</span> : null}
      {outcome === 'failed' && hint !== undefined ? <span class="sub">{hint}</span> : null}
    </>
  );
}

function Structure({ entry: { examination } }: { readonly entry: SignInLogEntry }) {
  if (!examination || examination.structure.length === 0) return null;
  return (
    <section class="panel" aria-labelledby="structure">
      <h2 id="structure">Structure of the SAML response</h2>
      <p class="small">Values about the user are masked. Nothing else of the response is stored.</p>
      <Rows rows={examination.structure} label="Elements of the SAML response" />
      {examination.decryptedStructure ? (
        <>
          <h3>Decrypted assertion</h3>
          <Rows rows={examination.decryptedStructure} label="Structure of the decrypted assertion" />
        </>
      ) : null}
    </section>
  );
}

const Rows = ({ rows, label }: { readonly rows: readonly MaskedRow[]; readonly label: string }) => (
  // biome-ignore lint/a11y/noNoninteractiveTabindex: scrollable content must be reachable by keyboard
  <section class="structure" aria-label={label} tabIndex={0}>
    <pre>
      <code>{rows.map(rowText).join('\n')}</code>
    </pre>
  </section>
);

function rowText({ depth, name, namespace, attributes = [], text, omitted }: MaskedRow): string {
  const indent = '  '.repeat(depth);
  if (omitted !== undefined) return `${indent}… ${omitted} more: ${visibleText(name)}`;
  const parts = [
    visibleText(name),
    ...(namespace === undefined ? [] : [`xmlns="${visibleText(namespace)}"`]),
    ...attributes.map((attribute: MaskedAttribute) => `${visibleText(attribute.name)}=${valueText(attribute)}`),
  ];
  return `${indent}<${parts.join(' ')}>${text === undefined ? '' : ` ${valueText(text)}`}`;
}

const valueText = (value: MaskedValue): string => ('shown' in value ? `"${visibleText(value.shown)}"` : `(${visibleText(value.masked)})`);

/** The identifier belongs to the connection that the response came from. A setup has only its own. */
const frameOfConnection = (frame: Frame, { connectionId }: SignInLogEntry): Frame =>
  connectionId === undefined || frame.viewer.kind === 'setup'
    ? frame
    : { ...frame, singleSignOnPath: `${frame.base}/single-sign-on/${connectionId}` };

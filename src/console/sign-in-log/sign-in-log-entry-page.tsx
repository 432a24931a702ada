import type { ComponentChildren } from 'preact';
import type { SignInLogEntry } from '../../auth/sign-in-log/sign-in-log.ts';
import { ConsolePage } from '../console-page.tsx';
import { groupsText } from '../members/role-reason.ts';
import type { Frame } from '../navigation.ts';
import { Facts } from '../parts/facts.tsx';
import { ForeignText, visibleText } from '../parts/foreign-text.tsx';
import { PostForm } from '../parts/form.tsx';
import { Moment, nearText } from '../parts/moment.tsx';
import { Callout } from '../parts/notice.tsx';
import { OfferedIdentifiers } from '../single-sign-on/identifier-panel.tsx';
import { Checks } from './checks-panel.tsx';
import { fixLinkOf } from './fix-places.ts';
import { OutcomeBadge } from './sign-in-log-page.tsx';
import { Structure } from './structure-panel.tsx';
import { Verdict } from './verdict.tsx';

const TEXTS = {
  singleSignOn: 'Single sign-on',
  signInLog: 'Sign-in log',
  downloadBundle: 'Download support bundle',
  testSignIn: 'Test sign-in',
  testAccepted: 'The test sign-in succeeded',
  testRefused: 'The test sign-in was refused',
  signInAccepted: 'Accepted sign-in',
  signInRefused: 'Refused sign-in',
  details: 'Details',
  groupsSuggestion: (code: ComponentChildren) => (
    <>
      The identity provider sent no groups, but it sent the attribute {code}, in which some products send groups or roles. If its values are
      groups of your organization, the gateway can read them as groups. Role rules then apply to them.
    </>
  ),
  readGroupsFrom: (attribute: string) => `Read groups from ${attribute}`,
  result: 'Result',
  time: 'Time',
  user: 'User',
  ipAddress: 'IP address',
  requestId: 'Request ID',
  member: 'Member',
  role: 'Role',
  roleByRule: (role: string, group: string) => `${role}, by the rule for the group ${group}`,
  roleByDefault: (role: string) => `${role}, by default`,
  groups: 'Groups',
  attributes: 'Attributes',
  identityProvidersClock: 'Identity provider’s clock',
  inSync: 'in sync with the gateway',
  isAhead: (seconds: number) => `${seconds.toLocaleString('en')} seconds ahead of the gateway`,
  tookSeconds: (seconds: number) => `the response was created ${seconds.toLocaleString('en')} seconds before it arrived`,
  signedWith: 'Signed with',
  signedPart: (part: string, fingerprint: ComponentChildren) => (
    <>
      {part}: {fingerprint}
    </>
  ),
  certificateExpired: 'certificate expired',
} as const;

export interface SignInPageProps {
  readonly frame: Frame;
  readonly entry: SignInLogEntry;
  /** Email address of the member who signed in. */
  readonly address: string | undefined;
  /** An attribute that may contain groups, if no groups were sent. */
  readonly groupsAttribute: string | undefined;
  /** Whether the connection still exists and is not disabled. */
  readonly canTest: boolean;
  /** Whether the viewer may change the settings of the connection. */
  readonly canChange: boolean;
  /** The path of the page that activates the connection, if it is a draft. */
  readonly goLivePath: string | undefined;
}

/** One sign-in: the verdict with the setting to change, and every check with the expected and the received value. */
export function SignInPage({ frame, entry, address, groupsAttribute, canTest, canChange, goLivePath }: SignInPageProps) {
  const isSetup = frame.viewer.kind === 'setup';
  const path = `${frame.base}/sign-ins`;
  const back = isSetup ? { href: `${frame.base}/single-sign-on`, label: TEXTS.singleSignOn } : { href: path, label: TEXTS.signInLog };
  return (
    <ConsolePage
      frame={frame}
      section={isSetup ? 'single-sign-on' : 'sign-ins'}
      title={titleOf(entry)}
      back={back}
      actions={
        <>
          <a class="button quiet" href={`${path}/${entry.id}/bundle`} download>
            {TEXTS.downloadBundle}
          </a>
          {canTest ? (
            <PostForm action={`${frameOfConnection(frame, entry).singleSignOnPath}/test`} csrfToken={frame.csrfToken} inline>
              <button type="submit" class="quiet">
                {TEXTS.testSignIn}
              </button>
            </PostForm>
          ) : null}
        </>
      }
    >
      <Verdict entry={entry} goLivePath={goLivePath} fix={canChange ? fixLinkOf(frameOfConnection(frame, entry), entry) : undefined} />
      {groupsAttribute === undefined ? null : (
        <GroupsSuggestion action={`${path}/${entry.id}/groups-attribute`} csrfToken={frame.csrfToken} name={groupsAttribute} />
      )}
      {canChange && lacksIdentifier(entry) ? (
        <OfferedIdentifiers frame={frameOfConnection(frame, entry)} offered={entry.offeredIdentifiers ?? []} />
      ) : null}
      <section class="panel" aria-labelledby="details">
        <h2 id="details">{TEXTS.details}</h2>
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
    ? TEXTS[outcome === 'accepted' ? 'testAccepted' : 'testRefused']
    : TEXTS[outcome === 'accepted' ? 'signInAccepted' : 'signInRefused'];

interface GroupsSuggestionProps {
  readonly action: string;
  readonly csrfToken: string;
  readonly name: string;
}

const GroupsSuggestion = ({ action, csrfToken, name }: GroupsSuggestionProps) => (
  <Callout kind="note">
    <p>{TEXTS.groupsSuggestion(<code>{visibleText(name)}</code>)}</p>
    <PostForm action={action} csrfToken={csrfToken} inline>
      <button type="submit">{TEXTS.readGroupsFrom(visibleText(name))}</button>
    </PostForm>
  </Callout>
);

function EntryFacts({ frame, entry, address }: Pick<SignInPageProps, 'frame' | 'entry' | 'address'>) {
  const { memberId, role, roleSource, groups, examination, requestId } = entry;
  const member = address ?? memberId;
  return (
    <Facts
      facts={[
        [TEXTS.result, <OutcomeBadge entry={entry} />],
        [
          TEXTS.time,
          <>
            <Moment ms={entry.atMs} /> ({nearText(entry.atMs, frame.nowMs)})
          </>,
        ],
        [TEXTS.user, entry.subject],
        [TEXTS.ipAddress, entry.address],
        [TEXTS.requestId, requestId && <code>{requestId}</code>],
        [
          TEXTS.member,
          member === undefined ? undefined : (
            <a href={`${frame.base}/members/${memberId}`}>
              <ForeignText text={member} />
            </a>
          ),
        ],
        [TEXTS.role, role && roleText(role, roleSource)],
        [TEXTS.groups, groups && groupsText(groups)],
        [TEXTS.attributes, entry.attributeNames.length === 0 ? undefined : entry.attributeNames.map(visibleText).join(', ')],
        [TEXTS.identityProvidersClock, examination?.clockOffsetMs === undefined ? undefined : clockText(examination.clockOffsetMs)],
        [TEXTS.signedWith, signersText(entry)],
      ]}
    />
  );
}

const roleText = (role: string, source: SignInLogEntry['roleSource']): string =>
  source?.kind === 'rule' ? TEXTS.roleByRule(role, visibleText(source.group)) : TEXTS.roleByDefault(role);

/** A clock that is ahead is wrong. A few seconds behind is the time that the response was on its way. */
function clockText(offsetMs: number): string {
  const seconds = Math.round(Math.abs(offsetMs) / 1000);
  if (seconds < 2) return TEXTS.inSync;
  return offsetMs > 0 ? TEXTS.isAhead(seconds) : TEXTS.tookSeconds(seconds);
}

function signersText({ examination }: SignInLogEntry) {
  if (examination === undefined || examination.verifiedBy.length === 0) return undefined;
  return examination.verifiedBy.map(({ part, fingerprint, isExpired }) => (
    <div>
      {TEXTS.signedPart(part, <code>{fingerprint}</code>)}{' '}
      {isExpired ? <span class="badge warning">{TEXTS.certificateExpired}</span> : null}
    </div>
  ));
}

/** The identifier belongs to the connection that the response came from. A setup has only its own. */
const frameOfConnection = (frame: Frame, { connectionId }: SignInLogEntry): Frame =>
  connectionId === undefined || frame.viewer.kind === 'setup'
    ? frame
    : { ...frame, singleSignOnPath: `${frame.base}/single-sign-on/${connectionId}` };

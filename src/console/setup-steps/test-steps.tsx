import type { SignInLogEntry } from '../../auth/sign-in-log/sign-in-log.ts';
import { errorText } from '../../errors.ts';
import type { Connection } from '../../organizations/organizations.ts';
import { hintFor } from '../../saml/explain/idp-screens.ts';
import { groupsText } from '../members/role-reason.ts';
import type { Frame } from '../navigation.ts';
import { Facts } from '../parts/facts.tsx';
import { ForeignText, visibleText } from '../parts/foreign-text.tsx';
import { PostForm } from '../parts/form.tsx';
import { Near } from '../parts/moment.tsx';
import { identifierText, OfferedIdentifiers } from '../single-sign-on/identifier-panel.tsx';
import { StepPage, stepPath } from './step-page.tsx';
import type { SetupProgress } from './steps.ts';

const TEXTS = {
  usersTitle: 'How are users identified?',
  usersLead: 'Sign in once yourself. The test shows what your identity provider sends, creates no session and changes no member.',
  whatArrived: 'What arrived',
  continueToRoles: 'Continue to roles',
  testTitle: 'Test the sign-in',
  testLead: 'Sign in as a user who is assigned to the application. The test creates no session and changes no member.',
  result: 'Result',
  works: (
    <>
      <strong>Works.</strong> Every check of the last test sign-in passed.
    </>
  ),
  worksAs: (role: string) => (
    <>
      <strong>Works.</strong> Every check passed. At that moment, the user would have signed in as {role}.
    </>
  ),
  anOwner: 'an owner',
  aCollaborator: 'a collaborator',
  continueToGoLive: 'Continue to go live',
  testSignIn: 'Test sign-in',
  whatTestDoes: 'Your browser goes to the identity provider and comes back to this page.',
  testAgain: 'Test again',
  tested: 'Tested',
  identifiedBy: 'Users are identified by',
  attributes: 'Attributes',
  noAttributes: 'none',
  groups: 'Groups',
  showAllChecks: 'All checks of this test sign-in',
  wasRefused: 'The test sign-in was refused.',
  whatToChange: (advice: string | undefined) => (
    <>
      <strong>What to change:</strong> {advice}
    </>
  ),
} as const;

export interface TestedStepProps {
  readonly frame: Frame;
  readonly progress: SetupProgress;
  readonly connection: Connection;
  /** The last test sign-in with the current metadata. */
  readonly entry: SignInLogEntry | undefined;
  /** Whether the visitor may change the connection. */
  readonly canChange: boolean;
}

/** Step 4: what identifies users, and which attributes arrive. */
export function UsersStep({ frame, progress, connection, entry, canChange }: TestedStepProps) {
  const setting = connection.settings.identifier ?? 'auto';
  const isAccepted = entry?.outcome === 'accepted';
  const lacksIdentifier = entry !== undefined && isIdentifierMissing(entry);
  return (
    <StepPage frame={frame} step="users" progress={progress} title={TEXTS.usersTitle} lead={TEXTS.usersLead}>
      {entry ? null : <StartTest frame={frame} step="users" />}
      {entry && lacksIdentifier && setting === 'auto' && canChange ? (
        <OfferedIdentifiers frame={frame} offered={entry.offeredIdentifiers ?? []} />
      ) : null}
      {entry && !isAccepted && !(lacksIdentifier && setting !== 'auto') ? <Refusal frame={frame} entry={entry} /> : null}
      {entry ? (
        <section class="panel" aria-labelledby="arrived">
          <h2 id="arrived">{TEXTS.whatArrived}</h2>
          <Arrived frame={frame} entry={entry} identifier={identifierText(setting)} />
          <div class="buttons">
            {isAccepted || setting !== 'auto' ? (
              <a class="button" href={stepPath(frame, 'roles')}>
                {TEXTS.continueToRoles}
              </a>
            ) : null}
            <TestAgain frame={frame} step="users" />
          </div>
        </section>
      ) : null}
    </StepPage>
  );
}

/** Only a verified response may suggest an identifier. Otherwise a stranger could suggest one that fits a response of their own. */
const isIdentifierMissing = ({ code, isVerified }: SignInLogEntry): boolean =>
  isVerified && (code === 'saml_name_id_missing' || code === 'saml_identifier_changed');

/** Step 6: a test sign-in with everything that was set up. */
export function TestStep({ frame, progress, connection, entry }: TestedStepProps) {
  const isTested = connection.state === 'draft' ? connection.testedAt !== undefined : entry?.outcome === 'accepted';
  // Choosing an identifier answers a refusal for the lack of one.
  const isAnswered = entry !== undefined && isIdentifierMissing(entry) && (connection.settings.identifier ?? 'auto') !== 'auto';
  const isShown = entry?.outcome === 'refused' && !isAnswered;
  return (
    <StepPage frame={frame} step="test" progress={progress} title={TEXTS.testTitle} lead={TEXTS.testLead}>
      {isTested ? (
        <section class="panel" aria-label={TEXTS.result}>
          <div class="notice done">
            <p>{entry?.role === undefined ? TEXTS.works : TEXTS.worksAs(entry.role === 'owner' ? TEXTS.anOwner : TEXTS.aCollaborator)}</p>
          </div>
          {entry ? <Arrived frame={frame} entry={entry} identifier={identifierText(connection.settings.identifier ?? 'auto')} /> : null}
          <div class="buttons">
            <a class="button" href={stepPath(frame, 'live')}>
              {TEXTS.continueToGoLive}
            </a>
            <TestAgain frame={frame} step="test" />
          </div>
        </section>
      ) : (
        <>
          {isShown ? <Refusal frame={frame} entry={entry} /> : null}
          <StartTest frame={frame} step="test" />
        </>
      )}
    </StepPage>
  );
}

type TestedStepId = 'users' | 'test';

const StartTest = ({ frame, step }: { readonly frame: Frame; readonly step: TestedStepId }) => (
  <section class="panel" aria-label={TEXTS.testSignIn}>
    <p>{TEXTS.whatTestDoes}</p>
    <PostForm action={stepPath(frame, step)} csrfToken={frame.csrfToken}>
      <button type="submit">{TEXTS.testSignIn}</button>
    </PostForm>
  </section>
);

const TestAgain = ({ frame, step }: { readonly frame: Frame; readonly step: TestedStepId }) => (
  <PostForm action={stepPath(frame, step)} csrfToken={frame.csrfToken} inline>
    <button type="submit" class="secondary">
      {TEXTS.testAgain}
    </button>
  </PostForm>
);

function Arrived({ frame, entry, identifier }: { readonly frame: Frame; readonly entry: SignInLogEntry; readonly identifier: string }) {
  const { groups, attributeNames, id, atMs, outcome } = entry;
  return (
    <>
      <Facts
        facts={[
          [TEXTS.tested, <Near ms={atMs} nowMs={frame.nowMs} />],
          [TEXTS.identifiedBy, identifier],
          [TEXTS.attributes, attributeNames.length === 0 ? TEXTS.noAttributes : attributeNames.map(visibleText).join(', ')],
          [TEXTS.groups, groups && groupsText(groups)],
        ]}
      />
      {outcome === 'accepted' ? (
        <p>
          <a href={`${frame.base}/sign-ins/${id}`}>{TEXTS.showAllChecks}</a>
        </p>
      ) : null}
    </>
  );
}

function Refusal({ frame, entry: { id, code, variant, refusal, idpKind } }: { readonly frame: Frame; readonly entry: SignInLogEntry }) {
  const text = code && errorText(code, 'administrator', variant);
  const hint = code && hintFor(code, idpKind);
  return (
    <div class="notice problem" role="alert">
      <p>
        <strong>{text ? `${text.title}.` : TEXTS.wasRefused}</strong>{' '}
        {refusal?.detail === undefined ? null : <ForeignText text={refusal.detail} />}
      </p>
      {hint || text ? <p>{TEXTS.whatToChange(hint ? hint.text : text?.advice)}</p> : null}
      <p>
        <a href={`${frame.base}/sign-ins/${id}`}>{TEXTS.showAllChecks}</a>
      </p>
    </div>
  );
}

import type { ComponentChildren } from 'preact';
import { CHECK_TITLES, type LoggedCheck } from '../../auth/sign-in-log/sign-in-checks.ts';
import type { SignInLogEntry } from '../../auth/sign-in-log/sign-in-log.ts';
import { errorText } from '../../errors.ts';
import { hintFor } from '../../saml/explain/idp-screens.ts';
import { Facts } from '../parts/facts.tsx';
import { ForeignText, visibleText } from '../parts/foreign-text.tsx';
import type { FixLink } from './fix-places.ts';

const TEXTS = {
  works: 'Works',
  everyCheckPassed: 'Every check passed, so users can sign in with these settings. The test created no session and changed no member.',
  goLive: 'Go live',
  isDraft: (goLive: ComponentChildren) => <>The connection is still a draft. {goLive} to let users sign in.</>,
  wasRefused: 'The sign-in was refused',
  failedCheck: 'Failed check',
  expected: 'Expected',
  received: 'Received',
  whatToChange: (advice: string | undefined) => (
    <>
      <strong>What to change:</strong> {advice}
    </>
  ),
  isUnverified: 'No valid signature covers the response, so anyone could have written it.',
  openPage: (page: ComponentChildren) => <>Open {page}</>,
} as const;

export interface VerdictProps {
  readonly entry: SignInLogEntry;
  /** The path of the page that activates the connection, if it is a draft. */
  readonly goLivePath: string | undefined;
  /** The page on which the refusal can be fixed. */
  readonly fix: FixLink | undefined;
}

/** The result in one box: “Works”, or the first check that failed and what to change. */
export function Verdict({ entry, goLivePath, fix }: VerdictProps) {
  if (entry.outcome === 'refused') return <Refusal entry={entry} fix={fix} />;
  if (entry.kind !== 'test') return null;
  return (
    <section class="notice done" aria-labelledby="verdict">
      <h2 id="verdict">{TEXTS.works}</h2>
      <p>{TEXTS.everyCheckPassed}</p>
      {goLivePath === undefined ? null : <p>{TEXTS.isDraft(<a href={goLivePath}>{TEXTS.goLive}</a>)}</p>}
    </section>
  );
}

/** Returns the check that the sign-in was refused by. Undefined if the response was not examined. */
export const decisiveCheck = ({ code, examination }: SignInLogEntry): LoggedCheck | undefined =>
  examination?.checks.find((check) => check.outcome === 'failed' && check.code === code);

function Refusal({ entry, fix }: Pick<VerdictProps, 'entry' | 'fix'>) {
  const { code, variant, refusal, idpKind, isVerified } = entry;
  const text = code && errorText(code, 'administrator', variant);
  const hint = code && hintFor(code, idpKind);
  const check = decisiveCheck(entry);
  return (
    <section class="notice problem" aria-labelledby="verdict">
      <h2 id="verdict">{text?.title ?? TEXTS.wasRefused}</h2>
      {refusal?.detail === undefined ? null : (
        <p>
          <ForeignText text={refusal.detail} />
        </p>
      )}
      <Facts
        facts={[
          [TEXTS.failedCheck, check && CHECK_TITLES[check.name]],
          [TEXTS.expected, codeText(refusal?.wanted ?? check?.wanted)],
          [TEXTS.received, codeText(refusal?.got ?? check?.got)],
        ]}
      />
      {hint || text ? <p>{TEXTS.whatToChange(hint ? hint.text : text?.advice)}</p> : null}
      {isVerified ? null : <p>{TEXTS.isUnverified}</p>}
      {fix === undefined ? null : (
        <p>
          <a href={fix.href}>{TEXTS.openPage(fix.page)}</a>
        </p>
      )}
    </section>
  );
}

const codeText = (text: string | undefined) => text && <code>{visibleText(text)}</code>;

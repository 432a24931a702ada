import { CHECK_TITLES, type LoggedCheck } from '../../auth/sign-in-log/sign-in-checks.ts';
import type { SignInLogEntry } from '../../auth/sign-in-log/sign-in-log.ts';
import { ERRORS } from '../../errors.ts';
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
import { OutcomeBadge } from './sign-in-log-page.tsx';

export interface SignInPageProps {
  readonly frame: Frame;
  readonly entry: SignInLogEntry;
  /** Of the member whose sign-in it was. */
  readonly address: string | undefined;
  readonly canTest: boolean;
}

/** One sign-in: what came of it, every check with wanted and got, and what to change where. */
export function SignInPage({ frame, entry, address, canTest }: SignInPageProps) {
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
            Download for a ticket
          </a>
          {canTest ? (
            <PostForm action={`${path}/test`} csrfToken={frame.csrfToken} inline>
              <button type="submit" class="quiet">
                Test sign-in
              </button>
            </PostForm>
          ) : null}
        </>
      }
    >
      <Verdict entry={entry} />
      <section class="panel" aria-labelledby="facts">
        <h2 id="facts">What is known</h2>
        <EntryFacts frame={frame} entry={entry} address={address} />
      </section>
      <Checks entry={entry} />
      <Structure entry={entry} />
    </ConsolePage>
  );
}

const titleOf = ({ kind, outcome }: SignInLogEntry): string =>
  kind === 'test'
    ? outcome === 'accepted'
      ? 'The test sign-in worked'
      : 'The test sign-in was refused'
    : outcome === 'accepted'
      ? 'An accepted sign-in'
      : 'A refused sign-in';

function Verdict({ entry: { kind, outcome, code, refusal, idpKind, isVerified } }: { readonly entry: SignInLogEntry }) {
  if (outcome === 'accepted') {
    if (kind !== 'test') return null;
    return (
      <div class="notice done">
        <p>Every check has passed: people can sign in like this. Nobody was let in by the test, and no member has changed.</p>
      </div>
    );
  }
  const hint = code && hintFor(code, idpKind);
  return (
    <div class="notice problem">
      <p>
        <strong>{code === undefined ? 'It was refused.' : `${ERRORS[code].administrator.title}.`}</strong>{' '}
        {refusal?.detail === undefined ? (
          code === undefined ? (
            ''
          ) : (
            ERRORS[code].administrator.advice
          )
        ) : (
          <ForeignText text={refusal.detail} />
        )}
      </p>
      <WantedAndGot {...refusal} />
      {hint ? (
        <p>
          <strong>What to change:</strong> {hint.text}
        </p>
      ) : null}
      {isVerified ? null : <p>No good signature covers the message, so nothing in it need be true.</p>}
    </div>
  );
}

function WantedAndGot({ wanted, got }: { readonly wanted?: string; readonly got?: string }) {
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

function EntryFacts({ frame, entry, address }: Omit<SignInPageProps, 'canTest'>) {
  const { memberId, role, roleSource, groups, examination, requestId } = entry;
  const reason = roleSource?.kind === 'rule' ? `by the group ${visibleText(roleSource.group)}` : 'by the default';
  const member = address ?? memberId;
  return (
    <Facts
      facts={[
        ['Result', <OutcomeBadge entry={entry} />],
        ['When', <Moment ms={entry.atMs} />],
        ['From', entry.address],
        ['Request id', requestId && <code>{requestId}</code>],
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
        ['Their clock', examination?.clockOffsetMs === undefined ? undefined : clockText(examination.clockOffsetMs)],
        [
          'Signed by',
          examination === undefined || examination.verifiedBy.length === 0
            ? undefined
            : examination.verifiedBy.map(({ part, fingerprint, isExpired }) => (
                <div>
                  {part}: <code>{fingerprint}</code> {isExpired ? <span class="badge warning">certificate expired</span> : null}
                </div>
              )),
        ],
      ]}
    />
  );
}

/** Ahead is a fault; behind by a few seconds is the way under way. */
function clockText(offsetMs: number): string {
  const seconds = Math.round(Math.abs(offsetMs) / 1000);
  if (seconds < 2) return 'as ours';
  return `the message was made ${seconds.toLocaleString('en')} seconds ${offsetMs > 0 ? 'in our future: that clock is ahead' : 'before it came'}`;
}

function Checks({ entry: { examination, idpKind } }: { readonly entry: SignInLogEntry }) {
  if (!examination) {
    return (
      <Callout kind="note">
        <p>The message itself was not examined: too many were refused at the time, or there was none that could be read.</p>
      </Callout>
    );
  }
  const reached = examination.checks.filter(({ outcome }) => outcome !== 'not_reached');
  const notReached = examination.checks.filter(({ outcome }) => outcome === 'not_reached');
  return (
    <section class="panel" aria-labelledby="checks">
      <h2 id="checks">Every check</h2>
      <DataTable
        label="Checks"
        rows={reached}
        columns={[
          { label: 'Check', kind: 'heading', cell: ({ name }) => CHECK_TITLES[name] },
          { label: 'Result', cell: ({ outcome }) => <span class={outcome === 'passed' ? 'badge good' : 'badge bad'}>{outcome}</span> },
          { label: 'Found', cell: (check) => <Finding check={check} hint={check.code && hintFor(check.code, idpKind)?.text} /> },
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
          wanted <code>{visibleText(wanted)}</code>
        </div>
      )}
      {got === undefined ? null : (
        <div>
          got <code>{visibleText(got)}</code>
        </div>
      )}
      {isUnsigned ? <span class="sub">Not signed: anybody can have written it.</span> : null}
      {outcome === 'failed' && hint !== undefined ? <span class="sub">{hint}</span> : null}
    </>
  );
}

function Structure({ entry: { examination } }: { readonly entry: SignInLogEntry }) {
  if (!examination || examination.structure.length === 0) return null;
  return (
    <section class="panel" aria-labelledby="structure">
      <h2 id="structure">How the message is built</h2>
      <p class="small">Values about the person are masked; of the message itself nothing else is kept.</p>
      <Rows rows={examination.structure} label="Structure of the message" />
      {examination.decryptedStructure ? (
        <>
          <h3>What was encrypted in it</h3>
          <Rows rows={examination.decryptedStructure} label="Structure of what was encrypted" />
        </>
      ) : null}
    </section>
  );
}

const Rows = ({ rows, label }: { readonly rows: readonly MaskedRow[]; readonly label: string }) => (
  // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
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

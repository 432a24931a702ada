import type { ComponentChildren } from 'preact';
import { CHECK_GROUPS, CHECK_TITLES, groupOfCheck, type LoggedCheck } from '../../auth/sign-in-log/sign-in-checks.ts';
import type { SignInLogEntry } from '../../auth/sign-in-log/sign-in-log.ts';
import { hintFor, type IdpKind } from '../../saml/explain/idp-screens.ts';
import { DataTable } from '../parts/data-table.tsx';
import { ForeignText, visibleText } from '../parts/foreign-text.tsx';
import { Callout } from '../parts/notice.tsx';
import { decisiveCheck } from './verdict.tsx';

const TEXTS = {
  wasNotExamined: 'The response was not examined, because it could not be read or too many responses were being refused at the time.',
  checks: 'Checks',
  otherFailures: (count: number) => (count === 1 ? 'Another check would have failed too:' : `${count} other checks would have failed too:`),
  checksOf: (group: string) => `Checks: ${group}`,
  otherFailedChecks: 'Other failed checks',
  check: 'Check',
  result: 'Result',
  finding: 'Finding',
  expected: (value: ComponentChildren) => <>expected {value}</>,
  received: (value: ComponentChildren) => <>received {value}</>,
  isUnsigned: 'Not signed, so anyone could have written it.',
} as const;

/** All checks in folded groups. Failures that the verdict does not show are above them. */
export function Checks({ entry }: { readonly entry: SignInLogEntry }) {
  const { examination, idpKind } = entry;
  if (!examination) {
    return (
      <Callout kind="note">
        <p>{TEXTS.wasNotExamined}</p>
      </Callout>
    );
  }
  const { checks } = examination;
  const decisive = decisiveCheck(entry);
  const others = checks.filter((check) => check.outcome === 'failed' && check !== decisive);
  return (
    <section class="panel" aria-labelledby="checks">
      <h2 id="checks">{TEXTS.checks}</h2>
      {others.length === 0 ? null : (
        <>
          <p>{TEXTS.otherFailures(others.length)}</p>
          <CheckTable label={TEXTS.otherFailedChecks} checks={others} idpKind={idpKind} />
        </>
      )}
      {(Object.keys(CHECK_GROUPS) as (keyof typeof CHECK_GROUPS)[]).map((group) => (
        <CheckGroup title={CHECK_GROUPS[group]} checks={checks.filter(({ name }) => groupOfCheck(name) === group)} idpKind={idpKind} />
      ))}
    </section>
  );
}

interface CheckGroupProps {
  readonly title: string;
  readonly checks: readonly LoggedCheck[];
  readonly idpKind: IdpKind;
}

const RESULTS = [
  ['failed', 'failed', 'badge bad'],
  ['passed', 'passed', 'badge good'],
  ['not_reached', 'not reached', 'badge'],
] as const;

function CheckGroup({ title, checks, idpKind }: CheckGroupProps) {
  if (checks.length === 0) return null;
  return (
    <details class="checks">
      <summary>
        {title}{' '}
        {RESULTS.map(([result, label, badge]) => {
          const count = checks.filter(({ outcome }) => outcome === result).length;
          return count === 0 ? null : (
            <>
              <span class={badge}>
                {count} {label}
              </span>{' '}
            </>
          );
        })}
      </summary>
      <CheckTable label={TEXTS.checksOf(title)} checks={checks} idpKind={idpKind} />
    </details>
  );
}

interface CheckTableProps {
  readonly label: string;
  readonly checks: readonly LoggedCheck[];
  readonly idpKind: IdpKind;
}

const CheckTable = ({ label, checks, idpKind }: CheckTableProps) => (
  <DataTable
    label={label}
    rows={checks}
    columns={[
      { label: TEXTS.check, kind: 'heading', cell: ({ name }) => CHECK_TITLES[name] },
      { label: TEXTS.result, cell: ({ outcome }) => <ResultBadge outcome={outcome} /> },
      { label: TEXTS.finding, cell: (check) => <Finding check={check} hint={check.code && hintFor(check.code, idpKind)?.text} /> },
    ]}
  />
);

function ResultBadge({ outcome }: Pick<LoggedCheck, 'outcome'>) {
  const [, label, badge] = RESULTS.find(([result]) => result === outcome) ?? RESULTS[2];
  return <span class={badge}>{label}</span>;
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
      {wanted === undefined ? null : <div>{TEXTS.expected(<code>{visibleText(wanted)}</code>)}</div>}
      {got === undefined ? null : <div>{TEXTS.received(<code>{visibleText(got)}</code>)}</div>}
      {isUnsigned ? <span class="sub">{TEXTS.isUnsigned}</span> : null}
      {outcome === 'failed' && hint !== undefined ? <span class="sub">{hint}</span> : null}
    </>
  );
}

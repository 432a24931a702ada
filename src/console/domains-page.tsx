import type { ComponentChildren } from 'preact';
import {
  type DomainClaim,
  domainState,
  domainWarning,
  type EmailPolicy,
  recordName,
  recordValue,
} from '../organizations/domains/domain-claims.ts';
import { ConfirmationPage } from './confirmation-page.tsx';
import { ConsolePage } from './console-page.tsx';
import type { Frame } from './navigation.ts';
import { ButtonForm } from './parts/button-form.tsx';
import { Copy } from './parts/copy.tsx';
import { DataTable } from './parts/data-table.tsx';
import { EmptyState } from './parts/empty-state.tsx';
import { Field } from './parts/field.tsx';
import { PostForm } from './parts/form.tsx';
import { Near } from './parts/moment.tsx';
import { Callout } from './parts/notice.tsx';
import { QuotaNotice } from './parts/quota-notice.tsx';

export interface DomainsPageProps {
  readonly frame: Frame;
  readonly claims: readonly DomainClaim[];
  /** The domains that the operator set. */
  readonly setDomains: readonly string[];
  readonly emailPolicy: EmailPolicy;
}

const TEXTS = {
  title: 'Domains',
  lead: 'Users with an email address in a verified domain find this organization on the sign-in page.',
  noDomainsYet: 'No domains yet',
  howToStart: 'Add the domain of your members’ email addresses.',
  add: 'Add domain',
  domain: 'Domain',
  domainHint: 'Such as acme.example. You verify it with a record in DNS.',
  setByOperator: (domains: readonly string[]) =>
    `The operator of this gateway set ${domains.join(', ')}. Users with an email address there also find this organization, but a domain counts as verified only after you verify it here.`,
  policy: 'Users can sign in only with an email address in a verified domain.',
  policyRefusesAll:
    'Users can sign in only with an email address in a verified domain. No domain is verified, so all sign-ins are refused.',
  state: 'State',
  txtRecord: 'TXT record to publish',
  noRecord: 'none needed',
  recordName: (domain: string) => `record name of ${domain}`,
  recordValue: (domain: string) => `record value of ${domain}`,
  actions: 'Actions',
  verified: 'verified',
  byOperator: 'confirmed by the operator',
  recordFound: 'record found',
  recordFoundAt: (time: ComponentChildren) => <>record found {time}</>,
  pending: 'pending',
  unverified: 'unverified',
  since: (time: ComponentChildren) => <>since {time}</>,
  check: 'Check DNS',
  verify: 'Verify domain',
  confirm: 'Confirm domain',
  confirmQuestion: (domain: string) => `Verify ${domain} without a record in DNS?`,
  openTransfer: (domain: string) => (
    <>
      Transfer<span class="unseen"> {domain}</span>…
    </>
  ),
  confirmTransfer: (domain: string) => `Transfer ${domain}`,
  transferTitle: (domain: string) => `Transfer ${domain} to this organization?`,
  transferEffect:
    'The organization that has the domain now loses it, whether it verified the domain or you set it there. Its members stay. This organization gets the domain without a record in DNS.',
  typeDomain: 'Type the domain to confirm',
  openRemoval: (domain: string) => (
    <>
      Remove<span class="unseen"> {domain}</span>…
    </>
  ),
  confirmRemoval: (domain: string) => `Remove ${domain}`,
  removeTitle: (domain: string) => `Remove ${domain}?`,
  effectOnVerified:
    'Users with an email address in this domain no longer find this organization on the sign-in page, and another organization can verify the domain. Members stay.',
  effectOnUnverified: 'The domain is not verified, so this changes nothing for users. If you add it again, it gets another record.',
} as const;

/** Lets owners and the operator add, verify and remove domains. */
export function DomainsPage({ frame, claims, setDomains, emailPolicy }: DomainsPageProps) {
  const path = `${frame.base}/domains`;
  return (
    <ConsolePage frame={frame} section="domains" title={TEXTS.title} lead={TEXTS.lead}>
      {claims.map(domainWarning).map((warning) =>
        warning === undefined ? null : (
          <Callout kind="warning">
            <p>{warning}</p>
          </Callout>
        ),
      )}
      <EmailPolicyNote policy={emailPolicy} hasVerified={claims.some(({ verifiedBy }) => verifiedBy !== undefined)} />
      <QuotaNotice frame={frame} name="domains" used={claims.length} />
      <section class="panel" aria-label={TEXTS.title}>
        {claims.length === 0 ? (
          <EmptyState title={TEXTS.noDomainsYet} action={{ href: '#field-domain', label: TEXTS.add }}>
            <p>{TEXTS.howToStart}</p>
          </EmptyState>
        ) : (
          <DomainTable frame={frame} claims={claims} path={path} />
        )}
        {setDomains.length === 0 ? null : <p>{TEXTS.setByOperator(setDomains)}</p>}
      </section>
      <section class="panel narrow" aria-labelledby="add">
        <h2 id="add">{TEXTS.add}</h2>
        <PostForm action={path} csrfToken={frame.csrfToken}>
          <Field name="domain" label={TEXTS.domain} value="" required maxlength={253} hint={TEXTS.domainHint} />
          <button type="submit">{TEXTS.add}</button>
        </PostForm>
      </section>
    </ConsolePage>
  );
}

function EmailPolicyNote({ policy, hasVerified }: { readonly policy: EmailPolicy; readonly hasVerified: boolean }) {
  if (policy === 'any') return null;
  return (
    <Callout kind={hasVerified ? 'note' : 'warning'}>
      <p>{hasVerified ? TEXTS.policy : TEXTS.policyRefusesAll}</p>
    </Callout>
  );
}

interface DomainTableProps extends Pick<DomainsPageProps, 'frame' | 'claims'> {
  readonly path: string;
}

function DomainTable({ frame, claims, path }: DomainTableProps) {
  return (
    <DataTable
      label={TEXTS.title}
      rows={claims}
      columns={[
        { label: TEXTS.domain, kind: 'heading', cell: ({ domain }) => domain },
        { label: TEXTS.state, cell: (claim) => <State claim={claim} nowMs={frame.nowMs} /> },
        {
          label: TEXTS.txtRecord,
          kind: 'wide',
          cell: ({ domain, token, verifiedBy }) =>
            verifiedBy === 'operator' ? (
              TEXTS.noRecord
            ) : (
              <>
                <div>
                  <Copy value={recordName(domain)} what={TEXTS.recordName(domain)} />
                </div>
                <div>
                  <Copy value={recordValue(token)} what={TEXTS.recordValue(domain)} />
                </div>
              </>
            ),
        },
        { label: TEXTS.actions, kind: 'actions', cell: (claim) => <Actions frame={frame} claim={claim} path={path} /> },
      ]}
    />
  );
}

function State({ claim, nowMs }: { readonly claim: DomainClaim; readonly nowMs: number }) {
  const { verifiedBy, provenAtMs, lostAtMs } = claim;
  if (verifiedBy === 'operator') {
    return (
      <>
        <span class="badge good">{TEXTS.verified}</span> <div class="sub">{TEXTS.byOperator}</div>
      </>
    );
  }
  if (verifiedBy === 'dns') {
    return (
      <>
        <span class={domainWarning(claim) === undefined ? 'badge good' : 'badge warning'}>{TEXTS.verified}</span>
        <div class="sub">{provenAtMs === undefined ? TEXTS.recordFound : TEXTS.recordFoundAt(<Near ms={provenAtMs} nowMs={nowMs} />)}</div>
      </>
    );
  }
  if (lostAtMs === undefined) return <span class="badge note">{TEXTS.pending}</span>;
  return (
    <>
      <span class="badge bad">{TEXTS.unverified}</span>
      <div class="sub">{TEXTS.since(<Near ms={lostAtMs} nowMs={nowMs} />)}</div>
    </>
  );
}

function Actions({ frame, claim, path }: { readonly frame: Frame; readonly claim: DomainClaim; readonly path: string }) {
  const { domain, verifiedBy } = claim;
  const isOperator = frame.viewer.kind === 'operator';
  const button = { csrfToken: frame.csrfToken, about: domain };
  return (
    <div class="buttons">
      {verifiedBy === 'operator' ? null : (
        <ButtonForm {...button} action={`${path}/${domain}/verify`} label={verifiedBy === 'dns' ? TEXTS.check : TEXTS.verify} />
      )}
      {isOperator && verifiedBy !== 'operator' ? (
        <ButtonForm {...button} action={`${path}/${domain}/confirm`} label={TEXTS.confirm} question={TEXTS.confirmQuestion(domain)} />
      ) : null}
      {isOperator && verifiedBy === undefined ? (
        <a class="button quiet" href={`${path}/${domain}/transfer`}>
          {TEXTS.openTransfer(domain)}
        </a>
      ) : null}
      <a class="button quiet danger" href={`${path}/${domain}/remove`}>
        {TEXTS.openRemoval(domain)}
      </a>
    </div>
  );
}

export interface DomainPageProps {
  readonly frame: Frame;
  readonly claim: DomainClaim;
}

export const RemoveDomainPage = ({ frame, claim }: DomainPageProps) => (
  <ConfirmationPage
    frame={frame}
    section="domains"
    title={TEXTS.removeTitle(claim.domain)}
    action={`${frame.base}/domains/${claim.domain}/remove`}
    yes={TEXTS.confirmRemoval(claim.domain)}
    cancelHref={`${frame.base}/domains`}
  >
    <p>{domainState(claim) === 'verified' ? TEXTS.effectOnVerified : TEXTS.effectOnUnverified}</p>
  </ConfirmationPage>
);

export const TransferDomainPage = ({ frame, claim, mistyped = false }: DomainPageProps & { readonly mistyped?: boolean }) => (
  <ConfirmationPage
    frame={frame}
    section="domains"
    title={TEXTS.transferTitle(claim.domain)}
    action={`${frame.base}/domains/${claim.domain}/transfer`}
    yes={TEXTS.confirmTransfer(claim.domain)}
    cancelHref={`${frame.base}/domains`}
    typed={{ label: TEXTS.typeDomain, expected: claim.domain }}
    mistyped={mistyped}
  >
    <p>{TEXTS.transferEffect}</p>
  </ConfirmationPage>
);

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

/** Lets owners and the operator add, verify and remove domains. */
export function DomainsPage({ frame, claims, setDomains, emailPolicy }: DomainsPageProps) {
  const path = `${frame.base}/domains`;
  return (
    <ConsolePage
      frame={frame}
      section="domains"
      title="Domains"
      lead="Users with an email address in a verified domain find this organization on the sign-in page."
    >
      {claims.map(domainWarning).map((warning) =>
        warning === undefined ? null : (
          <Callout kind="warning">
            <p>{warning}</p>
          </Callout>
        ),
      )}
      <EmailPolicyNote policy={emailPolicy} hasVerified={claims.some(({ verifiedBy }) => verifiedBy !== undefined)} />
      <QuotaNotice frame={frame} name="domains" used={claims.length} />
      <section class="panel" aria-label="Domains">
        {claims.length === 0 ? (
          <EmptyState title="No domains yet">
            <p>Add the domain of your members’ email addresses.</p>
          </EmptyState>
        ) : (
          <DomainTable frame={frame} claims={claims} path={path} />
        )}
        {setDomains.length === 0 ? null : (
          <p>
            The operator of this gateway set {setDomains.join(', ')}. Users with an email address there find this organization too, but a
            domain counts as verified only after you verify it here.
          </p>
        )}
      </section>
      <section class="panel narrow" aria-labelledby="add">
        <h2 id="add">Add domain</h2>
        <PostForm action={path} csrfToken={frame.csrfToken}>
          <Field
            name="domain"
            label="Domain"
            value=""
            required
            maxlength={253}
            hint="Such as acme.example. You verify it with a record in DNS."
          />
          <button type="submit">Add domain</button>
        </PostForm>
      </section>
    </ConsolePage>
  );
}

function EmailPolicyNote({ policy, hasVerified }: { readonly policy: EmailPolicy; readonly hasVerified: boolean }) {
  if (policy === 'any') return null;
  return (
    <Callout kind={hasVerified ? 'note' : 'warning'}>
      <p>
        Users can sign in only with an email address in a verified domain.
        {hasVerified ? null : ' No domain is verified, so all sign-ins are refused.'}
      </p>
    </Callout>
  );
}

interface DomainTableProps extends Pick<DomainsPageProps, 'frame' | 'claims'> {
  readonly path: string;
}

function DomainTable({ frame, claims, path }: DomainTableProps) {
  return (
    <DataTable
      label="Domains"
      rows={claims}
      columns={[
        { label: 'Domain', kind: 'heading', cell: ({ domain }) => domain },
        { label: 'State', cell: (claim) => <State claim={claim} nowMs={frame.nowMs} /> },
        {
          label: 'TXT record to publish',
          kind: 'wide',
          cell: ({ domain, token, verifiedBy }) =>
            verifiedBy === 'operator' ? (
              'none needed'
            ) : (
              <>
                <div>
                  <Copy value={recordName(domain)} what={`record name of ${domain}`} />
                </div>
                <div>
                  <Copy value={recordValue(token)} what={`record value of ${domain}`} />
                </div>
              </>
            ),
        },
        { label: 'Actions', kind: 'actions', cell: (claim) => <Actions frame={frame} claim={claim} path={path} /> },
      ]}
    />
  );
}

function State({ claim, nowMs }: { readonly claim: DomainClaim; readonly nowMs: number }) {
  const { verifiedBy, provenAtMs, lostAtMs } = claim;
  if (verifiedBy === 'operator') {
    return (
      <>
        <span class="badge good">verified</span> <div class="sub">confirmed by the operator</div>
      </>
    );
  }
  if (verifiedBy === 'dns') {
    return (
      <>
        <span class={domainWarning(claim) === undefined ? 'badge good' : 'badge warning'}>verified</span>
        <div class="sub">record found {provenAtMs === undefined ? null : <Near ms={provenAtMs} nowMs={nowMs} />}</div>
      </>
    );
  }
  if (lostAtMs === undefined) return <span class="badge note">pending</span>;
  return (
    <>
      <span class="badge bad">unverified</span>
      <div class="sub">
        since <Near ms={lostAtMs} nowMs={nowMs} />
      </div>
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
        <ButtonForm {...button} action={`${path}/${domain}/verify`} label={verifiedBy === 'dns' ? 'Check DNS' : 'Verify domain'} />
      )}
      {isOperator && verifiedBy !== 'operator' ? (
        <ButtonForm
          {...button}
          action={`${path}/${domain}/confirm`}
          label="Confirm domain"
          question={`Verify ${domain} without a record in DNS?`}
        />
      ) : null}
      {isOperator && verifiedBy === undefined ? (
        <a class="button quiet" href={`${path}/${domain}/transfer`}>
          Transfer<span class="unseen"> {domain}</span>…
        </a>
      ) : null}
      <a class="button quiet danger" href={`${path}/${domain}/remove`}>
        Remove<span class="unseen"> {domain}</span>…
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
    title={`Remove ${claim.domain}?`}
    action={`${frame.base}/domains/${claim.domain}/remove`}
    yes={`Remove ${claim.domain}`}
    cancelHref={`${frame.base}/domains`}
  >
    <p>
      {domainState(claim) === 'verified'
        ? 'Users with an email address in this domain no longer find this organization on the sign-in page, and another organization can verify the domain. Members stay.'
        : 'The domain is not verified, so this changes nothing for users. If you add it again, it gets another record.'}
    </p>
  </ConfirmationPage>
);

export const TransferDomainPage = ({ frame, claim, mistyped = false }: DomainPageProps & { readonly mistyped?: boolean }) => (
  <ConfirmationPage
    frame={frame}
    section="domains"
    title={`Transfer ${claim.domain} to this organization?`}
    action={`${frame.base}/domains/${claim.domain}/transfer`}
    yes={`Transfer ${claim.domain}`}
    cancelHref={`${frame.base}/domains`}
    typed={{ label: 'Type the domain to confirm', expected: claim.domain }}
    mistyped={mistyped}
  >
    <p>
      The organization that has the domain now loses it, whether it verified the domain or you set it there. Its members stay. This
      organization gets the domain without a record in DNS.
    </p>
  </ConfirmationPage>
);

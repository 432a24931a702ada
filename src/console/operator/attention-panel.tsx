import type { ComponentChildren } from 'preact';
import type { SignInHealth } from '../../auth/sign-in-log/sign-in-health.ts';
import type { ScimToken } from '../../auth/tokens/scim-tokens.ts';
import type { ExpiringCertificate } from '../../organizations/connections/expiring-certificates.ts';
import type { Organization } from '../../organizations/organizations.ts';
import type { QuotaName } from '../../organizations/quotas/quotas.ts';
import { counted } from '../parts/counted.ts';
import { ForeignText } from '../parts/foreign-text.tsx';
import { Near } from '../parts/moment.tsx';
import { Callout } from '../parts/notice.tsx';

const TEXTS = {
  needsAttention: 'Needs attention',
  store: 'Store',
  signInsFailSince: (time: ComponentChildren) => <>sign-ins have failed since {time}</>,
  unknownSignatureSince: (time: ComponentChildren) => (
    <>
      responses with an unknown signature since {time}. If users cannot sign in, the identity provider renewed its certificate. Otherwise
      the responses are forged, and nothing needs to be done
    </>
  ),
  certificateExpires: (time: ComponentChildren) => <>a certificate expires {time}</>,
  certificateExpired: (time: ComponentChildren) => <>a certificate expired {time}</>,
  moreCertificates: (count: number) => counted(count, 'more certificate'),
  scimTokenExpires: (time: ComponentChildren) => <>a SCIM token expires {time}. Without a valid one, users who leave keep their access</>,
  scimTokenExpired: (time: ComponentChildren) => <>a SCIM token expired {time}. Without a valid one, users who leave keep their access</>,
  lostLastOwner: 'lost its last owner, so only you can change its settings',
  isNearQuotas: (names: string) => `has used 80 % or more of a quota: ${names}`,
  moreOrganizations: (count: number) => `and ${counted(count, 'more organization')} on this page`,
  finding: (subject: ComponentChildren, finding: ComponentChildren) => (
    <>
      {subject}: {finding}
    </>
  ),
} as const;

/** An organization of the list, with what was read about it. */
export interface ListedOrganization {
  readonly organization: Organization;
  readonly health: SignInHealth | undefined;
  /** Quotas of which 80 % or more are used. */
  readonly nearQuotas: readonly QuotaName[];
  /** SCIM tokens that expire soon or have expired, without those that another token replaces. */
  readonly endingScimTokens: readonly ScimToken[];
}

export interface AttentionPanelProps {
  readonly listed: readonly ListedOrganization[];
  /** Recommended changes to the store. */
  readonly storeWarnings: readonly string[];
  /** Certificates of active connections without a replacement, soonest first. */
  readonly expiring: readonly ExpiringCertificate[];
  readonly nowMs: number;
}

const MAX_SHOWN = 5;

/** Lists what the operator should look at: the store, certificates, and the organizations of this page. */
export function AttentionPanel({ listed, storeWarnings, expiring, nowMs }: AttentionPanelProps) {
  const ownerless = listed.filter(({ organization }) => organization.withoutOwnerSince !== undefined);
  const failing = listed.filter(({ health }) => health?.failingSinceMs !== undefined);
  const unknown = listed.filter(({ health }) => health?.unknownSignatureSinceMs !== undefined);
  const full = listed.filter(({ nearQuotas }) => nearQuotas.length > 0);
  const ending = listed.filter(({ endingScimTokens }) => endingScimTokens.length > 0);
  if (storeWarnings.length + expiring.length + ending.length + ownerless.length + failing.length + unknown.length + full.length === 0)
    return null;
  return (
    <Callout kind="warning">
      <h2>{TEXTS.needsAttention}</h2>
      <ul>
        {storeWarnings.map((text) => (
          <li>{TEXTS.finding(<a href="/console/operator/health">{TEXTS.store}</a>, text)}</li>
        ))}
        <Organizations all={failing} path="/sign-ins">
          {({ health }) => <>{TEXTS.signInsFailSince(<Near ms={health?.failingSinceMs ?? nowMs} nowMs={nowMs} />)}</>}
        </Organizations>
        <Organizations all={unknown} path="/sign-ins">
          {({ health }) => <>{TEXTS.unknownSignatureSince(<Near ms={health?.unknownSignatureSinceMs ?? nowMs} nowMs={nowMs} />)}</>}
        </Organizations>
        {expiring.slice(0, MAX_SHOWN).map(({ organization, connection, endsAtMs }) => (
          <li>
            {TEXTS.finding(
              <a href={`/console/operator/organizations/${organization.slug}/single-sign-on/${connection.id}`}>
                <ForeignText text={organization.name} />
              </a>,
              TEXTS[endsAtMs < nowMs ? 'certificateExpired' : 'certificateExpires'](<Near ms={endsAtMs} nowMs={nowMs} />),
            )}
          </li>
        ))}
        {expiring.length > MAX_SHOWN ? (
          <li>
            <a href="/console/operator/health">{TEXTS.moreCertificates(expiring.length - MAX_SHOWN)}</a>
          </li>
        ) : null}
        <Organizations all={ending} path="/provisioning">
          {({ endingScimTokens }) => scimTokenText(endingScimTokens, nowMs)}
        </Organizations>
        <Organizations all={ownerless} path="/members">
          {() => TEXTS.lostLastOwner}
        </Organizations>
        <Organizations all={full} path="#quotas">
          {({ nearQuotas }) => TEXTS.isNearQuotas(nearQuotas.map((name) => name.replaceAll('_', ' ')).join(', '))}
        </Organizations>
      </ul>
    </Callout>
  );
}

function scimTokenText(tokens: readonly ScimToken[], nowMs: number): ComponentChildren {
  const endMs = Math.min(...tokens.map(({ expiresAtMs = nowMs }) => expiresAtMs));
  return TEXTS[endMs < nowMs ? 'scimTokenExpired' : 'scimTokenExpires'](<Near ms={endMs} nowMs={nowMs} />);
}

interface OrganizationsProps {
  readonly all: readonly ListedOrganization[];
  /** Below the organization's page. */
  readonly path: string;
  readonly children: (listed: ListedOrganization) => ComponentChildren;
}

const Organizations = ({ all, path, children }: OrganizationsProps) => (
  <>
    {all.slice(0, MAX_SHOWN).map((listed) => (
      <li>
        {TEXTS.finding(
          <a href={`/console/operator/organizations/${listed.organization.slug}${path}`}>
            <ForeignText text={listed.organization.name} />
          </a>,
          children(listed),
        )}
      </li>
    ))}
    {all.length > MAX_SHOWN ? <li>{TEXTS.moreOrganizations(all.length - MAX_SHOWN)}</li> : null}
  </>
);

import type { ComponentChildren } from 'preact';
import type { Connection } from '../../organizations/organizations.ts';
import { ConsolePage } from '../console-page.tsx';
import type { Frame } from '../navigation.ts';
import { Copy } from '../parts/copy.tsx';
import { EmptyState } from '../parts/empty-state.tsx';
import { Facts } from '../parts/facts.tsx';
import { ForeignText, visibleText } from '../parts/foreign-text.tsx';
import type { IdpProduct, OwnValue } from '../setup-steps/idp-product.ts';
import { IDP_PRODUCTS, type IdpProductId } from '../setup-steps/idp-products.ts';
import { Tasks } from '../setup-steps/provider-steps.tsx';
import { StateBadge } from '../single-sign-on/connection-state.tsx';

const TEXTS = {
  provisioning: 'Provisioning',
  whatScimDoes: 'With SCIM, your identity provider creates users before they sign in, and ends their access immediately when they leave.',
  values: 'Values for your identity provider',
  baseUrl: 'Base URL',
  baseUrlToCopy: 'base URL',
  tenantUrl: 'Tenant URL for Entra ID',
  tenantUrlToCopy: 'tenant URL',
  uniqueIdentifier: 'Unique identifier',
  sameAsNameId: 'userName, with the same value as the SAML NameID',
  sameAsAttribute: (name: string) => `externalId, with the same value as the SAML attribute ${name}`,
  linkAttributeFirst: (name: string) =>
    `externalId, with the same value as the SAML attribute ${name}. Ask the operator to set this attribute as scim_link_attribute first.`,
  authentication: 'Authentication',
  bearerToken: 'HTTP header with a SCIM token as bearer token',
  onlyWhileActive: 'SCIM tokens work only while the connection is active.',
  noIdentityProvider: 'No identity provider yet',
  setUpSingleSignOn: 'Set up single sign-on',
  connectFirst: 'Connect an identity provider first. Then it can provision users.',
  setUpIn: (product: string) => `Set up provisioning in ${product}`,
  connections: 'Connections',
} as const;

export interface ProvisioningPageProps {
  readonly frame: Frame;
  /** The default connection first. */
  readonly connections: readonly Connection[];
  /** The connection that the page shows. */
  readonly shown: Connection | undefined;
  readonly values: Readonly<Record<OwnValue, string>>;
  /** The product of the identity provider, if it is known. */
  readonly product: IdpProductId | undefined;
  /** The SAML attribute whose value is the `externalId` of SCIM users. */
  readonly linkAttribute: string | undefined;
  readonly children?: ComponentChildren;
}

/** Shows everything about the users that the identity provider of a connection provisions. */
export function ProvisioningPage({ frame, connections, shown, values, product, linkAttribute, children }: ProvisioningPageProps) {
  return (
    <ConsolePage frame={frame} section="provisioning" title={TEXTS.provisioning} lead={TEXTS.whatScimDoes} scripts={['confirm.js']}>
      {shown ? (
        <>
          <ConnectionChoice frame={frame} connections={connections} shown={shown} />
          <section class="panel" aria-labelledby="values">
            <header>
              <h2 id="values">{TEXTS.values}</h2>
              <span>
                <ForeignText text={shown.name} /> <StateBadge state={shown.state} />
              </span>
            </header>
            <Facts
              facts={[
                [TEXTS.baseUrl, <Copy value={values.scim} what={TEXTS.baseUrlToCopy} />],
                [TEXTS.tenantUrl, <Copy value={values.scimTenant} what={TEXTS.tenantUrlToCopy} />],
                [TEXTS.uniqueIdentifier, identifierText(shown, linkAttribute)],
                [TEXTS.authentication, TEXTS.bearerToken],
              ]}
            />
            {shown.state === 'active' ? null : <p>{TEXTS.onlyWhileActive}</p>}
          </section>
          <ProductTasks product={product} values={values} />
          {children}
        </>
      ) : (
        <section class="panel" aria-label={TEXTS.provisioning}>
          <EmptyState
            title={TEXTS.noIdentityProvider}
            action={{ href: `${frame.base}/single-sign-on/steps`, label: TEXTS.setUpSingleSignOn }}
          >
            <p>{TEXTS.connectFirst}</p>
          </EmptyState>
        </section>
      )}
    </ConsolePage>
  );
}

/** Says which attribute of a SCIM user must have the value that identifies the user at sign-ins. */
function identifierText({ settings: { identifier = 'auto' } }: Connection, linkAttribute: string | undefined): string {
  if (identifier === 'auto' || 'name_id' in identifier) return TEXTS.sameAsNameId;
  const name = visibleText(identifier.attribute);
  return identifier.attribute === linkAttribute ? TEXTS.sameAsAttribute(name) : TEXTS.linkAttributeFirst(name);
}

/** Shows what to do at the identity provider, for the products that can provision users. */
function ProductTasks({ product, values }: Pick<ProvisioningPageProps, 'product' | 'values'>) {
  const offered: readonly IdpProduct[] = product ? [IDP_PRODUCTS[product]] : Object.values(IDP_PRODUCTS);
  return (
    <>
      {offered.map(({ label, provisioning }) =>
        provisioning === undefined ? null : (
          <details class="panel">
            <summary>{TEXTS.setUpIn(label)}</summary>
            <div class="tasks">
              <Tasks tasks={provisioning} values={values} />
            </div>
          </details>
        ),
      )}
    </>
  );
}

function ConnectionChoice({ frame, connections, shown }: Required<Pick<ProvisioningPageProps, 'frame' | 'connections' | 'shown'>>) {
  if (connections.length < 2) return null;
  return (
    <nav class="choices" aria-label={TEXTS.connections}>
      {connections.map(({ id, name }) => (
        <a
          class="button quiet"
          href={`${frame.base}/provisioning/${id}`}
          {...(id === shown?.id ? { 'aria-current': 'page' as const } : {})}
        >
          <ForeignText text={name} />
        </a>
      ))}
    </nav>
  );
}

import type { ComponentChildren } from 'preact';
import type { Connection } from '../../organizations/organizations.ts';
import { ConsolePage } from '../console-page.tsx';
import type { Frame } from '../navigation.ts';
import { Copy } from '../parts/copy.tsx';
import { EmptyState } from '../parts/empty-state.tsx';
import { Facts } from '../parts/facts.tsx';
import { ForeignText } from '../parts/foreign-text.tsx';
import type { IdpProduct, OwnValue } from '../setup-steps/idp-product.ts';
import { IDP_PRODUCTS, type IdpProductId } from '../setup-steps/idp-products.ts';
import { Tasks } from '../setup-steps/provider-steps.tsx';
import { StateBadge } from '../single-sign-on/connection-state.tsx';

export interface ProvisioningPageProps {
  readonly frame: Frame;
  /** The default connection first. */
  readonly connections: readonly Connection[];
  /** The connection that the page shows. */
  readonly shown: Connection | undefined;
  readonly values: Readonly<Record<OwnValue, string>>;
  /** The product of the identity provider, if it is known. */
  readonly product: IdpProductId | undefined;
  readonly children?: ComponentChildren;
}

/** Shows everything about the users that the identity provider of a connection provisions. */
export function ProvisioningPage({ frame, connections, shown, values, product, children }: ProvisioningPageProps) {
  return (
    <ConsolePage
      frame={frame}
      section="provisioning"
      title="Provisioning"
      lead="With SCIM, your identity provider creates users before they sign in, and ends their access immediately when they leave."
      scripts={['confirm.js']}
    >
      {shown ? (
        <>
          <ConnectionChoice frame={frame} connections={connections} shown={shown} />
          <section class="panel" aria-labelledby="values">
            <header>
              <h2 id="values">Values for your identity provider</h2>
              <span>
                <ForeignText text={shown.name} /> <StateBadge state={shown.state} />
              </span>
            </header>
            <Facts
              facts={[
                ['Base URL', <Copy value={values.scim} what="base URL" />],
                ['Tenant URL for Entra ID', <Copy value={values.scimTenant} what="tenant URL" />],
                ['Unique identifier', 'userName, with the same value as the NameID of SAML'],
                ['Authentication', 'HTTP header with a SCIM token as bearer token'],
              ]}
            />
            {shown.state === 'active' ? null : <p>SCIM tokens work only while the connection is active.</p>}
          </section>
          <ProductTasks product={product} values={values} />
          {children}
        </>
      ) : (
        <section class="panel" aria-label="Provisioning">
          <EmptyState
            title="No identity provider yet"
            action={{ href: `${frame.base}/single-sign-on/steps`, label: 'Set up single sign-on' }}
          >
            <p>Connect an identity provider first. Then it can provision users.</p>
          </EmptyState>
        </section>
      )}
    </ConsolePage>
  );
}

/** Shows what to do at the identity provider, for the products that can provision users. */
function ProductTasks({ product, values }: Pick<ProvisioningPageProps, 'product' | 'values'>) {
  const offered: readonly IdpProduct[] = product ? [IDP_PRODUCTS[product]] : Object.values(IDP_PRODUCTS);
  return (
    <>
      {offered.map(({ label, provisioning }) =>
        provisioning === undefined ? null : (
          <details class="panel">
            <summary>Set up provisioning in {label}</summary>
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
    <nav class="choices" aria-label="Connections">
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

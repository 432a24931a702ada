/** A further connection of a test organization, with an identity provider of its own. */
import { randomBytes } from 'node:crypto';
import { makeMetadata } from '../../src/mock-idp/metadata.ts';
import type { ResponseOptions } from '../../src/mock-idp/response.ts';
import { createSelfSignedCertificate } from '../../src/saml/metadata/self-signed-certificate.ts';
import type { HttpBrowser, Page } from './browser.ts';
import { type GatewayUnderTest, startedBy, type TestOrganization } from './identity-provider.ts';
import { newSlug } from './new-slug.ts';

export interface TestConnection {
  readonly id: string;
  readonly entityId: string;
  readonly metadata: string;
  /** Returns a response of this identity provider. Without `inResponseTo` it is unsolicited. */
  respond(options?: Partial<ResponseOptions> & { readonly user?: string }): string;
  /** Starts a sign-in through this connection and returns the ID of the request. */
  start(browser: HttpBrowser): Promise<string>;
  /** Signs in a user. */
  signIn(browser: HttpBrowser, user?: string): Promise<Page>;
}

/** Returns metadata of a new identity provider, and a function that answers as it does. */
export async function newIdentityProvider(organization: TestOrganization, sloUrl?: string) {
  const entityId = `https://${newSlug()}.example/idp`;
  const key = await createSelfSignedCertificate({ commonName: 'test only', days: 3650, nowMs: Date.now(), rsaBits: 2048 });
  const plain = makeMetadata('okta', { ssoUrl: `${entityId}/sso`, certificatesPem: [key.certificatePem], randomBytes });
  const logout = `<md:SingleLogoutService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect" Location="${sloUrl}"/>`;
  const metadata = plain
    .replace(/entityID="[^"]+"/, `entityID="${entityId}"`)
    .replace('<md:NameIDFormat>', `${sloUrl === undefined ? '' : logout}<md:NameIDFormat>`);
  const respond: TestConnection['respond'] = ({ values, ...options } = {}) =>
    organization.respond({ key, values: { responseIssuer: entityId, assertionIssuer: entityId, ...values }, ...options });
  return { entityId, key, metadata, respond };
}

/** Adds a connection, and activates it unless it should stay a draft. */
export async function addConnection(
  gateway: GatewayUnderTest,
  organization: TestOrganization,
  { state = 'active', sloUrl }: { readonly state?: 'draft' | 'active'; readonly sloUrl?: string } = {},
): Promise<TestConnection> {
  const { entityId, metadata, respond } = await newIdentityProvider(organization, sloUrl);
  const path = `/organizations/${organization.slug}/connections`;
  const { body } = await gateway.api<{ id: string }>('POST', path, { name: `Connection ${newSlug()}`, metadata_xml: metadata });
  if (state === 'active') await gateway.api('PATCH', `${path}/${body.id}`, { state });
  const start = async (browser: HttpBrowser) => {
    const login = `${gateway.url}/saml/${organization.slug}/login?connection=${body.id}`;
    return startedBy(await browser.request(login)).requestId;
  };
  const signIn = async (browser: HttpBrowser, user = 'olivia') =>
    organization.post(browser, respond({ user, inResponseTo: await start(browser) }));
  return { id: body.id, entityId, metadata, respond, start, signIn };
}

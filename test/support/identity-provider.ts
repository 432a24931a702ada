/** An identity provider whose responses a test controls. They look like those of the mock and are signed with the test's own key. */
import { randomBytes } from 'node:crypto';
import { inflateRawSync } from 'node:zlib';
import { HABITS, personOf } from '../../src/mock-idp/habits.ts';
import { makeMetadata } from '../../src/mock-idp/metadata.ts';
import { makeResponse, type ResponseOptions } from '../../src/mock-idp/response.ts';
import { createSelfSignedCertificate, type KeyAndCertificate } from '../../src/saml/metadata/self-signed-certificate.ts';
import type { HttpBrowser, Page } from './browser.ts';
import { newSlug } from './new-slug.ts';

export interface TestOrganization {
  readonly id: string;
  readonly slug: string;
  readonly acsUrl: string;
  readonly metadata: string;
  /** Signing key of the identity provider. */
  readonly key: KeyAndCertificate;
  /** Returns a response like Okta's for this organization. Without `inResponseTo` it is unsolicited. */
  respond(options?: Partial<ResponseOptions> & { readonly user?: string }): string;
  /** Starts a sign-in in this browser and returns what the identity provider receives. */
  start(browser: HttpBrowser, returnTo?: string): Promise<{ readonly relayState: string; readonly requestId: string }>;
  /** Posts a response to the ACS, as the identity provider's page in this browser would. */
  post(browser: HttpBrowser, xml: string, relayState?: string): Promise<Page>;
  /** Signs in a user. */
  signIn(browser: HttpBrowser, user?: string, options?: Partial<ResponseOptions>): Promise<Page>;
}

/** A gateway in this process or in another one. */
export interface GatewayUnderTest {
  readonly url: string;
  api<Body = Record<string, unknown>>(
    method: string,
    path: string,
    body?: unknown,
  ): Promise<{ readonly status: number; readonly body: Body }>;
}

/**
 * @param nowMs returns the current time of the identity provider
 * @param logoutServices SingleLogoutService elements for its metadata
 */
export async function makeTestOrganization(
  gateway: GatewayUnderTest,
  nowMs: () => number = Date.now,
  slug = newSlug(),
  logoutServices = '',
): Promise<TestOrganization> {
  const key = await createSelfSignedCertificate({ commonName: 'test only', days: 3650, nowMs: Date.now(), rsaBits: 2048 });
  const plain = makeMetadata('okta', {
    ssoUrl: 'https://idp.example/sso',
    certificatesPem: [key.certificatePem],
    documentKey: key,
    randomBytes,
  });
  const metadata = plain.replace('<md:NameIDFormat>', `${logoutServices}<md:NameIDFormat>`);
  const { body } = await gateway.api<{ id: string }>('POST', '/organizations', { slug, name: slug });
  await gateway.api('PUT', `/organizations/${slug}/identity-provider`, metadata);
  await gateway.api('PUT', `/organizations/${slug}/role-mapping`, {
    rules: [{ group: 'platform-admins', role: 'owner' }],
    default_role: 'collaborator',
  });
  const root = `${gateway.url}/saml/${slug}`;
  const acsUrl = `${root}/acs`;
  const organization: TestOrganization = {
    id: body.id,
    slug,
    acsUrl,
    metadata,
    key,
    respond: ({ user = 'olivia', ...options } = {}) =>
      makeResponse({
        habit: 'okta',
        person: personOf('okta', user),
        acsUrl,
        spEntityId: `${root}/metadata`,
        inResponseTo: undefined,
        key,
        nowMs: nowMs(),
        randomBytes,
        ...options,
      }),
    start: async (browser, returnTo) => {
      const query = returnTo === undefined ? '' : `?return_to=${encodeURIComponent(returnTo)}`;
      const page = await browser.request(`${root}/login${query}`);
      // With several active connections, the default connection is the first choice.
      const choice = page.status === 200 ? /href="([^"]*connection=con_[^"]*)"/.exec(page.text)?.[1] : undefined;
      return startedBy(choice === undefined ? page : await browser.request(new URL(choice.replaceAll('&amp;', '&'), gateway.url).href));
    },
    post: (browser, xml, relayState) => {
      const body = new URLSearchParams({
        SAMLResponse: Buffer.from(xml).toString('base64'),
        ...(relayState === undefined ? {} : { RelayState: relayState }),
      });
      return browser.request(acsUrl, { method: 'POST', body, headers: { 'sec-fetch-site': 'cross-site' } });
    },
    signIn: async (browser, user = 'olivia', options = {}) => {
      const { relayState, requestId } = await organization.start(browser);
      return organization.post(browser, organization.respond({ user, inResponseTo: requestId, ...options }), relayState);
    },
  };
  return organization;
}

/** Returns RelayState and request id of a redirect to the identity provider. */
export function startedBy({ location }: Pick<Page, 'location'>): { readonly relayState: string; readonly requestId: string } {
  const { searchParams } = new URL(location ?? '');
  const request = inflateRawSync(Buffer.from(searchParams.get('SAMLRequest') ?? '', 'base64')).toString();
  return { relayState: searchParams.get('RelayState') ?? '', requestId: /\sID="([^"]+)"/.exec(request)?.[1] ?? '' };
}

export const OKTA_ISSUER = HABITS.okta.issuer;

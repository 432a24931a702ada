/** The SAML endpoints of an organization: SP metadata, start of a sign-in, assertion consumer service. */
import type { IncomingMessage } from 'node:http';
import { type Request, type RequestHandler, type Response, Router } from 'express';
import type { Actor } from '../../audit.ts';
import { findSessionPrincipal } from '../../auth/authenticate.ts';
import { sessionMiddleware } from '../../auth/sessions/browser-sessions.ts';
import { readCookie, readSignedCookie, setCookie, setSignedCookie } from '../../auth/sessions/cookies.ts';
import { loginOf, MEMBER_SESSION, readLogin } from '../../auth/sessions/member-sessions.ts';
import { continuationPath } from '../../auth/sessions/pending-sign-ins.ts';
import { answerResponse, type ResponseForm } from '../../auth/sign-in/answer-response.ts';
import { shortReturnTo } from '../../auth/sign-in/return-to.ts';
import { requireTester, startSignIn, startTestSignIn } from '../../auth/sign-in/start-sign-in.ts';
import { ChooseConnectionPage } from '../../console/choose-connection-page.tsx';
import { renderPage } from '../../console/layout.tsx';
import { hrefOf } from '../../console/parts/paging.tsx';
import { GatewayError } from '../../errors.ts';
import { newSecret } from '../../ids.ts';
import { connectionsToOffer } from '../../organizations/connections/choose-connection.ts';
import { type OrganizationConnection, requireConnection } from '../../organizations/connections/connections.ts';
import { serviceProviderUrls, signsRequests } from '../../organizations/connections/identity-providers.ts';
import { getOrganization, getStoredOrganization } from '../../organizations/directory.ts';
import type { Connection, Organization } from '../../organizations/organizations.ts';
import type { Runtime } from '../../runtime.ts';
import { createSpMetadata } from '../../saml/metadata/sp-metadata.ts';
import { limited } from '../limits/rate-limits.ts';
import { responseLimits } from '../limits/response-limits.ts';
import { sendPage } from '../pages.ts';
import { actorOf, afterAnswer } from '../request-context.ts';
import { sendBrowserMessage } from './browser-message.tsx';
import { continuationRoutes, setSessionCookies } from './continue.tsx';
import { logoRoutes, shownOrganization } from './logo.ts';
import { readFormOctets, readMessageForm } from './message-form.ts';

const TEXTS = {
  signIn: 'Sign in',
  openedInBrowser: 'Identity providers send users here with a SAML response. Your browser opened the address without one.',
} as const;

export function samlRoutes(runtime: Runtime): Router {
  const router = Router({ caseSensitive: true, strict: true });
  router.param('org', (_request, response, next) => {
    response.locals.route = 'saml';
    next();
  });
  router.get('/saml/:org/metadata', limited(runtime, 'sp_metadata'), async (request, response) => {
    const organization = await getOrganization(runtime.store, String(request.params.org));
    response.type('application/samlmetadata+xml').send(spMetadataOf(runtime, organization));
  });
  const sessions = sessionMiddleware(runtime, MEMBER_SESSION);
  const sessionOfTester: RequestHandler = (request, response, next) => (isTest(request) ? sessions(request, response, next) : next());
  router.get('/saml/:org/login', limited(runtime, 'login_start'), sessionOfTester, (request, response) =>
    startLogin(runtime, request, response),
  );
  router.get('/saml/:org/acs', async (request, response) => {
    const { slug } = await getOrganization(runtime.store, request.params.org);
    response.locals.wayOut = { href: `/saml/${slug}/login`, label: TEXTS.signIn };
    const detail = TEXTS.openedInBrowser;
    throw new GatewayError('not_found', { detail, variant: 'acs_opened' });
  });
  // answerResponse() reads the body once its limits allow that.
  router.post('/saml/:org/acs', (request, response) => answerAcs(runtime, request, response));
  return router.use(logoRoutes(runtime)).use(continuationRoutes(runtime));
}

const isTest = (request: Request): boolean => request.query.test === '1';

async function startLogin(runtime: Runtime, request: Request, response: Response): Promise<void> {
  const organization = await getOrganization(runtime.store, String(request.params.org));
  if (isTest(request)) {
    const principal = await findSessionPrincipal(runtime, loginOf(request));
    requireTester(principal, organization);
    const actor = actorOf(request, response, principal);
    const connection = requireConnection(organization, textOf(request.query.connection));
    return sendTestSignIn(runtime, response, { organization, connection, actor, resultsAt: '/console/sign-ins' });
  }
  const returnTo = shortReturnTo(textOf(request.query.return_to));
  const wish = { connectionId: textOf(request.query.connection), loginHint: textOf(request.query.login_hint) };
  const [connection, ...others] = connectionsToOffer(organization, wish);
  if (!connection || others.length > 0)
    return sendChoice(runtime, response, { organization, offered: connectionsToOffer(organization, wish), returnTo });
  const message = await startSignIn(
    runtime,
    { organization, connection },
    {
      returnTo,
      browserNonce: renewNonce(runtime, response),
      formerLogin: await readLogin(runtime, request),
    },
  );
  sendBrowserMessage(response, message);
}

/** A parameter that is sent twice counts as missing. */
const textOf = (parameter: unknown): string | undefined => (typeof parameter === 'string' && parameter !== '' ? parameter : undefined);

interface Choice {
  readonly organization: Organization;
  readonly offered: readonly Connection[];
  readonly returnTo: string | undefined;
}

async function sendChoice(runtime: Runtime, response: Response, { organization, offered, returnTo }: Choice): Promise<void> {
  const choices = offered.map((each) => ({
    name: each.name,
    href: hrefOf(`/saml/${organization.slug}/login`, { connection: each.id, return_to: returnTo }),
  }));
  const shown = await shownOrganization(runtime, organization);
  sendPage(response, 200, renderPage(<ChooseConnectionPage organization={shown} choices={choices} />));
}

/** Returns the SP metadata of an organization, one document for all its connections. Its URL is the entityID. */
export function spMetadataOf({ config }: Pick<Runtime, 'config'>, organization: Organization): string {
  const { connections } = organization;
  const formats = connections.flatMap(({ settings: { nameIdFormat } }) => (nameIdFormat === undefined ? [] : [nameIdFormat]));
  return createSpMetadata({
    ...serviceProviderUrls(config.baseUrl, organization.slug),
    certificates: organization.spKeys.map((key) => key.certificate),
    wantAssertionsSigned: connections.some(({ settings }) => settings.requireSignedAssertion),
    authnRequestsSigned: connections.some(signsRequests),
    nameIdFormats: [...new Set(formats)],
    displayName: organization.name,
    logoUrl: organization.logoUrl,
    contactEmail: organization.contactEmail,
  });
}

/** Returns the nonce that binds sign-ins to this browser and extends the lifetime of its cookie. All tabs share one nonce. */
function renewNonce(runtime: Runtime, response: Response): string {
  const nonce = readNonce(runtime, response.req) ?? newSecret();
  setCookie(runtime, response, 'signInNonce', nonce);
  return nonce;
}

function readNonce(runtime: Runtime, request: IncomingMessage): string | undefined {
  const present = readCookie(runtime, request, 'signInNonce');
  return present !== undefined && /^[\w-]{43}$/.test(present) ? present : undefined;
}

export interface TestSignIn extends OrganizationConnection {
  /** Who tests. The caller has checked that they may. */
  readonly actor: Actor;
  /** Path of the page below which the result will be shown. */
  readonly resultsAt: string;
}

/** Sends the browser to the identity provider for a test sign-in. */
export async function sendTestSignIn(
  runtime: Runtime,
  response: Response,
  { organization, connection, actor, resultsAt }: TestSignIn,
): Promise<void> {
  const browserNonce = renewNonce(runtime, response);
  sendBrowserMessage(response, await startTestSignIn(runtime, { organization, connection }, { actor, resultsAt, browserNonce }));
}

/** Over plain http, browsers send the nonce cookie together with the session cookie, or neither of them. */
function mayHideSession(runtime: Runtime, request: Request): boolean {
  const { isHttps, baseUrl } = runtime.config;
  const origin = request.get('Origin');
  return !isHttps && readNonce(runtime, request) === undefined && origin !== undefined && origin !== new URL(baseUrl).origin;
}

/**
 * Reads the form, and drops its octets, because the response may wait for its turn.
 * @throws saml_malformed, payload_too_large
 */
async function readForm(request: Request, response: Response): Promise<ResponseForm> {
  await readFormOctets(request, response);
  const { body } = request as { body: unknown };
  request.body = undefined;
  const message = readMessageForm(body, ['SAMLResponse']);
  const relayState = shortReturnTo(message.unverifiedRelayState);
  // A deep copy, because V8 substrings keep the whole form alive.
  const unverifiedRelayState = relayState && Buffer.from(relayState).toString();
  return { ...message, unverifiedRelayState, octets: Buffer.isBuffer(body) ? body.length : 0 };
}

async function answerAcs(runtime: Runtime, request: Request, response: Response): Promise<void> {
  response.setHeader('Cache-Control', 'no-store');
  const organization = await getStoredOrganization(runtime.store, String(request.params.org));
  const loginPath = `/saml/${organization.value.slug}/login`;
  response.locals.retryHref = loginPath;
  let form: Promise<ResponseForm> | undefined;
  const outcome = await answerResponse(runtime, organization, {
    readForm: () => (form ??= readForm(request, response)),
    client: response,
    browser: {
      actor: actorOf(request, response),
      nonce: readNonce(runtime, request),
      sid: readSignedCookie(runtime, request, 'member'),
      signedInTo: readCookie(runtime, request, 'signedInTo'),
      mayHideSession: mayHideSession(runtime, request),
      userAgent: request.headers['user-agent'],
    },
    limits: responseLimits(runtime),
    afterAnswer: (work) => afterAnswer(response, work),
  });
  switch (outcome.kind) {
    case 'refused':
      throw outcome.error;
    case 'tested':
      return redirectTo(response, outcome.resultAt);
    case 'bounced': {
      const hasChoice = organization.value.connections.length > 1;
      const connection = hasChoice ? outcome.connectionId : undefined;
      return redirectTo(response, hrefOf(loginPath, { connection, return_to: outcome.returnTo }));
    }
    case 'pending':
      setSignedCookie(runtime, response, 'pendingSignIn', outcome.sid);
      setCookie(runtime, response, 'signInNonce', outcome.browserNonce);
      return redirectTo(response, continuationPath(organization.value.slug));
    case 'signed_in':
      setSessionCookies(runtime, response, { sid: outcome.sid, organizationId: organization.value.id });
      // So that the browser is recognized if it sends the same response again.
      setCookie(runtime, response, 'signInNonce', outcome.browserNonce);
      return redirectTo(response, outcome.returnTo);
    case 'repeated':
      return redirectTo(response, outcome.returnTo);
  }
}

/** Redirects without a body. Browsers follow the header alone. */
const redirectTo = (response: Response, to: string): void => void response.status(303).location(to).end();

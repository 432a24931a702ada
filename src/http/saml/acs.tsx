/** The SAML endpoints of an organization: metadata, login, assertion consumer service. */
import express, { type Request, type RequestHandler, type Response, Router } from 'express';
import type { Actor } from '../../audit.ts';
import { findSessionPrincipal } from '../../auth/authenticate.ts';
import { sessionMiddleware } from '../../auth/sessions/browser-sessions.ts';
import { readCookie, readSignedCookie, setCookie, setSignedCookie } from '../../auth/sessions/cookies.ts';
import { loginOf, MEMBER_SESSION, readLogin } from '../../auth/sessions/member-sessions.ts';
import { answerResponse } from '../../auth/sign-in/answer-response.ts';
import { startSignIn } from '../../auth/sign-in/start-sign-in.ts';
import { requireTester, startTestSignIn } from '../../auth/sign-in/test-sign-in.ts';
import { newSecret } from '../../ids.ts';
import { getOrganization, getStoredOrganization } from '../../organizations/directory.ts';
import { serviceProviderUrls } from '../../organizations/identity-providers.ts';
import type { Organization } from '../../organizations/organizations.ts';
import type { Runtime } from '../../runtime.ts';
import { createSpMetadata } from '../../saml/metadata/sp-metadata.ts';
import { limited, responseLimits } from '../rate-limits.ts';
import { actorOf, afterAnswer } from '../request-context.ts';
import { sendBrowserMessage } from './browser-message.tsx';
import { MAX_FORM, readMessageForm } from './message-form.ts';

export function samlRoutes(runtime: Runtime): Router {
  const router = Router({ caseSensitive: true, strict: true });
  router.param('org', (_request, response, next) => {
    response.locals.route = 'saml';
    next();
  });
  router.get('/saml/:org/metadata', async (request, response) => {
    const organization = await getOrganization(runtime.store, request.params.org);
    response.type('application/samlmetadata+xml').send(spMetadataOf(runtime, organization));
  });
  const sessions = sessionMiddleware(runtime, MEMBER_SESSION);
  const forTests: RequestHandler = (request, response, next) => (request.query.test === '1' ? sessions(request, response, next) : next());
  router.get('/saml/:org/login', limited(runtime, 'login_start'), forTests, async (request, response) => {
    const organization = await getOrganization(runtime.store, String(request.params.org));
    if (request.query.test === '1') {
      const tester = await findSessionPrincipal(runtime, loginOf(request));
      requireTester(tester, organization);
      return sendTestSignIn(runtime, request, response, organization, actorOf(request, response, tester), '/console/sign-ins');
    }
    const returnTo = typeof request.query.return_to === 'string' ? request.query.return_to : undefined;
    const nonce = browserNonce(runtime, request, response);
    const formerLogin = await readLogin(runtime, request);
    sendBrowserMessage(response, await startSignIn(runtime, organization, { returnTo, browserNonce: nonce, formerLogin }));
  });
  const readForm = express.raw({ type: 'application/x-www-form-urlencoded', limit: MAX_FORM, inflate: false });
  router.post('/saml/:org/acs', readForm, (request, response) => answerAcs(runtime, request, response));
  return router;
}

export function spMetadataOf({ config }: Pick<Runtime, 'config'>, organization: Organization): string {
  const settings = organization.identityProvider?.settings;
  return createSpMetadata({
    ...serviceProviderUrls(config.baseUrl, organization.slug),
    certificates: organization.spKeys.map((key) => key.certificate),
    wantAssertionsSigned: settings?.requireSignedAssertion ?? false,
    authnRequestsSigned: settings?.signRequests ?? organization.identityProvider?.metadata.wantAuthnRequestsSigned ?? false,
    nameIdFormat: settings?.nameIdFormat,
    displayName: organization.name,
    logoUrl: organization.logoUrl,
    contactEmail: organization.contactEmail,
  });
}

/** Returns the nonce that binds sign-ins to this browser and extends the lifetime of its cookie. All tabs share one nonce. */
function browserNonce(runtime: Runtime, request: Request, response: Response): string {
  const present = readCookie(runtime, request, 'signInNonce');
  const nonce = present !== undefined && /^[\w-]{43}$/.test(present) ? present : newSecret();
  setCookie(runtime, response, 'signInNonce', nonce);
  return nonce;
}

/**
 * Sends the browser to the identity provider to try the sign-in. The caller has seen to it that they may.
 * @param resultsAt path of the page below which the result will be shown
 */
export async function sendTestSignIn(
  runtime: Runtime,
  request: Request,
  response: Response,
  organization: Organization,
  tester: Actor,
  resultsAt: string,
): Promise<void> {
  const nonce = browserNonce(runtime, request, response);
  sendBrowserMessage(response, await startTestSignIn(runtime, organization, { actor: tester, resultsAt, browserNonce: nonce }));
}

async function answerAcs(runtime: Runtime, request: Request, response: Response): Promise<void> {
  response.setHeader('Cache-Control', 'no-store');
  const organization = await getStoredOrganization(runtime.store, String(request.params.org));
  const loginPath = `/saml/${organization.value.slug}/login`;
  response.locals.retryHref = loginPath;
  const outcome = await answerResponse(runtime, organization, {
    readForm: () => readMessageForm(request.body, ['SAMLResponse']),
    browser: {
      actor: actorOf(request, response),
      nonce: readCookie(runtime, request, 'signInNonce'),
      sid: readSignedCookie(runtime, request, 'member'),
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
    case 'bounced':
      return redirectTo(response, `${loginPath}?return_to=${encodeURIComponent(outcome.returnTo)}`);
    case 'signed_in':
      setSignedCookie(runtime, response, 'member', outcome.sid);
      return redirectTo(response, outcome.returnTo);
  }
}

/** Redirects without a body. Browsers follow the header alone. */
const redirectTo = (response: Response, to: string): void => void response.status(303).location(to).end();

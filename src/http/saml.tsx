/** The SAML endpoints of an organization: metadata, login, assertion consumer service. */
import express, { type Request, type Response, Router } from 'express';
import { auditStep } from '../audit.ts';
import { askSecondOpinion } from '../auth/second-opinion.ts';
import { adoptSession, sessionMiddleware } from '../auth/sessions.ts';
import { finishSignIn, startSignIn } from '../auth/sign-in.ts';
import { GatewayError } from '../errors.ts';
import { newSecret } from '../ids.ts';
import { decryptionKeysFor, requireIdentityProvider, responseSettings, serviceProviderUrls } from '../organizations/identity-providers.ts';
import { getOrganization, type Organization } from '../organizations/organizations.ts';
import type { Runtime } from '../runtime.ts';
import { acceptResponse, type VerifiedAssertion } from '../saml/response.ts';
import { makeSpMetadata } from '../saml/sp-metadata.ts';
import { MAX_FORM, readMessageForm, sendBrowserMessage } from './browser-message.tsx';
import { actorOf, cookieOf } from './request-context.ts';

const NONCE_SECONDS = 30 * 60;

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
  router.get('/saml/:org/login', async (request, response) => {
    const organization = await getOrganization(runtime.store, request.params.org);
    const returnTo = typeof request.query.return_to === 'string' ? request.query.return_to : undefined;
    const nonce = browserNonce(runtime, request, response);
    sendBrowserMessage(response, await startSignIn(runtime, organization, returnTo, nonce));
  });
  const readForm = express.raw({ type: 'application/x-www-form-urlencoded', limit: MAX_FORM, inflate: false });
  router.post('/saml/:org/acs', readForm, sessionMiddleware(runtime), (request, response) => answerAcs(runtime, request, response));
  return router;
}

export function spMetadataOf({ config }: Pick<Runtime, 'config'>, organization: Organization): string {
  const settings = organization.identityProvider?.settings;
  return makeSpMetadata({
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

const nonceName = (isHttps: boolean): string => (isHttps ? '__Host-samlgate_login' : 'samlgate_login');

/**
 * The nonce that ties a login to this browser. One for all its tabs; renewed in time at each login. The IdP's answer is a
 * cross-site POST, which brings a cookie only with SameSite=None; that asks for Secure, so plain http has to do with Lax.
 */
function browserNonce({ config }: Runtime, request: Request, response: Response): string {
  const name = nonceName(config.isHttps);
  const present = cookieOf(request, name);
  const nonce = present !== undefined && /^[\w-]{43}$/.test(present) ? present : newSecret();
  response.cookie(name, nonce, {
    httpOnly: true,
    secure: config.isHttps,
    sameSite: config.isHttps ? 'none' : 'lax',
    path: '/',
    maxAge: NONCE_SECONDS * 1000,
  });
  return nonce;
}

async function answerAcs(runtime: Runtime, request: Request, response: Response): Promise<void> {
  response.setHeader('Cache-Control', 'no-store');
  const organization = await getOrganization(runtime.store, String(request.params.org));
  response.locals.retryHref = `/saml/${organization.slug}/login`;
  try {
    requireIdentityProvider(organization);
    const form = readMessageForm(request.body, ['SAMLResponse']);
    const decryptionKeys = await decryptionKeysFor(runtime, organization, form.unverifiedXml);
    const settings = responseSettings(organization, runtime.config.baseUrl, decryptionKeys);
    const assertion = acceptResponse(form.unverifiedXml, settings, runtime.now());
    tellExpiredCertificates(runtime, organization, assertion);
    await askSecondOpinion(runtime, organization, form.unverifiedXml, settings, assertion);
    const result = await finishSignIn(runtime, organization, assertion, {
      relayState: form.unverifiedRelayState,
      browserNonce: cookieOf(request, nonceName(runtime.config.isHttps)),
      actor: actorOf(request, response),
      userAgent: request.headers['user-agent'],
      formerLogin: request.session.login,
    });
    if (result.kind === 'bounced') {
      response.redirect(303, `/saml/${organization.slug}/login?return_to=${encodeURIComponent(result.returnTo)}`);
      return;
    }
    await adoptSession(request, result.sid, result.login);
    runtime.metrics.logins.inc({ outcome: 'accepted' });
    runtime.log.info(
      { organization: organization.slug, member: result.member.id, role: result.member.role, request_id: response.locals.requestId },
      'login accepted',
    );
    response.redirect(303, result.returnTo);
  } catch (error) {
    await recordRefusal(runtime, request, response, organization, error);
    throw error;
  }
}

function tellExpiredCertificates(runtime: Runtime, organization: Organization, assertion: VerifiedAssertion): void {
  for (const fingerprint of assertion.expiredCertificates) {
    runtime.metrics.expiredCertificates.inc();
    runtime.log.warn(
      { organization: organization.slug, fingerprint },
      'login verified with an identity provider certificate past its date',
    );
  }
}

/** A refusal is counted and written to the organization's audit trail, but for a store that can't be reached. */
async function recordRefusal(
  runtime: Runtime,
  request: Request,
  response: Response,
  organization: Organization,
  error: unknown,
): Promise<void> {
  if (!(error instanceof GatewayError)) return;
  runtime.metrics.logins.inc({ outcome: error.code });
  if (error.status >= 500) return;
  const { detail, wanted, got } = error.facts;
  const step = auditStep(runtime.now(), actorOf(request, response), 'login.refused', {
    code: error.code,
    details: { detail, wanted, got },
  });
  await runtime.store.commit(organization.id, [step]);
}

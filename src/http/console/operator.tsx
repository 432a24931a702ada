/** The operator's pages: sign-in, signing keys and health. The pages about organizations are in `organizations.tsx`. */
import express, { type Request, type Response, Router } from 'express';
import { z } from 'zod';
import { listSigningKeys, revokeSigningKey, rotateSigningKeys } from '../../auth/keys/signing-keys.ts';
import { destroySession } from '../../auth/sessions/browser-sessions.ts';
import { clearCookie, setSignedCookie } from '../../auth/sessions/cookies.ts';
import { OPERATOR_SESSION, startOperatorSession } from '../../auth/sessions/operator-sessions.ts';
import { VERSION } from '../../client/version.ts';
import { renderPage } from '../../console/layout.tsx';
import { HealthPage } from '../../console/operator/health-page.tsx';
import { KeysPage, RevokeKeyPage } from '../../console/operator/keys-page.tsx';
import { OperatorSignInPage } from '../../console/operator/operator-sign-in-page.tsx';
import { counted } from '../../console/parts/counted.ts';
import { GatewayError } from '../../errors.ts';
import { findExpiringCertificates } from '../../organizations/connections/expiring-certificates.ts';
import type { Runtime } from '../../runtime.ts';
import { DAY_MS } from '../../time.ts';
import { callerOf } from '../api/callers.ts';
import { checkShape } from '../api/request-shapes.ts';
import { countFailure, tooMany } from '../limits/rate-limits.ts';
import { sendPage } from '../pages.ts';
import { actorOf } from '../request-context.ts';
import { runOnce } from '../run-once.ts';
import { auditPages } from './audit/audit.tsx';
import { loadOrganization, OPERATOR_HOME, operatorReturnPath, requireOperatorSession, requireOwnOrigin } from './operator-visit.ts';
import { organizationPages, organizationsPages } from './organizations.tsx';
import { frameOf, openVisit, redirectOnConflict, runAndRedirect, sendConsolePage } from './visit.ts';

const TEXTS = {
  isActive: (kid: string) => `Key ${kid} is now active. Tokens that the previous key signed stay valid.`,
  unknownKey: 'This signing key does not exist or is already revoked.',
  isRevoked: (kid: string, cliTokens: number) => `Key ${kid} was revoked. This also revoked ${counted(cliTokens, 'CLI token')}.`,
  wrongToken: 'This is not the operator token of this gateway.',
} as const;

const EXPIRING_DAYS = 60;
const KEYS = `${OPERATOR_HOME}/keys`;
const SIGN_IN = z.object({ token: z.string().trim().min(1).max(512), return_to: z.string().max(512).optional() });

/** @param managerPages the pages about an organization that owners have too */
export function operatorPages(runtime: Runtime, managerPages: Router): Router {
  const router = Router({ caseSensitive: true });
  signInRoutes(router, runtime);
  router.use(...openVisit(runtime, OPERATOR_SESSION, requireOperatorSession));
  router.post('/sign-out', async (request, response) => {
    await destroySession(request);
    clearCookie(runtime, response, 'operator');
    response.redirect(303, `${OPERATOR_HOME}/sign-in`);
  });
  keyRoutes(router, runtime);
  router.get('/health', (request, response) => showHealth(runtime, request, response));
  router.use('/audit', auditPages(runtime));
  router.use(organizationsPages(runtime));
  router.use('/organizations/:org', loadOrganization(runtime), organizationPages(runtime), managerPages);
  return router;
}

function signInRoutes(router: Router, runtime: Runtime): void {
  router.get('/sign-in', (request, response) => {
    sendPage(response, 200, renderPage(<OperatorSignInPage returnTo={operatorReturnPath(request.query.return_to)} />));
  });
  const readForm = express.urlencoded({ extended: false, limit: '4kb', inflate: false });
  router.post('/sign-in', requireOwnOrigin(runtime), readForm, (request, response) => signIn(runtime, request, response));
}

async function signIn(runtime: Runtime, request: Request, response: Response): Promise<void> {
  const { token, return_to: given } = checkShape(SIGN_IN, request.body ?? {});
  const returnTo = operatorReturnPath(given);
  try {
    setSignedCookie(runtime, response, 'operator', await startOperatorSession(runtime, actorOf(request, response), token));
  } catch (error) {
    if (!(error instanceof GatewayError) || error.code !== 'unauthenticated') throw error;
    const waitMs = await countFailure(runtime, 'wrong_operator_tokens', request.ip);
    if (waitMs !== undefined) throw tooMany(waitMs);
    runtime.log.warn({ code: error.code, request_id: response.locals.requestId, address: request.ip }, 'operator sign-in refused');
    const page = <OperatorSignInPage returnTo={returnTo} problem={TEXTS.wrongToken} />;
    return sendPage(response, 401, renderPage(page));
  }
  response.redirect(303, returnTo ?? OPERATOR_HOME);
}

function keyRoutes(router: Router, runtime: Runtime): void {
  router.get('/keys', async (request, response) => {
    const keys = await listSigningKeys(runtime);
    const frame = frameOf(runtime, request, response);
    sendConsolePage(response, <KeysPage frame={frame} keys={keys} rotationDays={runtime.config.keyRotationDays} />);
  });
  router.post('/keys/rotate', (request, response) =>
    redirectOnConflict(runtime, response, KEYS, () =>
      runOnce(runtime, request, response, async () => {
        const { key } = await rotateSigningKeys(runtime, callerOf(request, response));
        return { href: KEYS, notice: TEXTS.isActive(key.kid) };
      }),
    ),
  );
  router.get('/keys/:kid/revoke', async (request, response) => {
    const listed = (await listSigningKeys(runtime)).find(({ key }) => key.kid === request.params.kid && key.state !== 'revoked');
    if (!listed) throw new GatewayError('not_found', TEXTS.unknownKey);
    sendConsolePage(response, <RevokeKeyPage frame={frameOf(runtime, request, response)} listed={listed} />);
  });
  router.post('/keys/:kid/revoke', (request, response) =>
    runAndRedirect(runtime, response, {
      href: KEYS,
      run: async () => {
        const { key, cliTokens } = await revokeSigningKey(runtime, callerOf(request, response), request.params.kid);
        return TEXTS.isRevoked(key.kid, cliTokens);
      },
    }),
  );
}

async function showHealth(runtime: Runtime, request: Request, response: Response): Promise<void> {
  const { store, config, now } = runtime;
  const startedAt = performance.now();
  await store.ping();
  const storeMs = performance.now() - startedAt;
  const [storeWarnings, expiring] = await Promise.all([store.warnings(), findExpiringCertificates(store, now() + EXPIRING_DAYS * DAY_MS)]);
  const { baseUrl } = config;
  const place = { version: VERSION, baseUrl, store: withoutPassword(config.store), storeMs };
  const frame = frameOf(runtime, request, response);
  sendConsolePage(
    response,
    <HealthPage frame={frame} {...place} storeWarnings={storeWarnings} expiring={expiring} expiringDays={EXPIRING_DAYS} />,
  );
}

/** Removes the password from `redis://user:password@host`. */
const withoutPassword = (store: string): string => store.replace(/\/\/([^/@]*)@/, (_all, user: string) => `//${user.split(':')[0]}@`);

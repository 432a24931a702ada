/** Setup links: the landing page of a link, the pages of the setup, and the forms that create and revoke links, for owners and the operator. */
import { type Request, type Response, Router } from 'express';
import { z } from 'zod';
import { destroySession, readRequestSession } from '../../auth/sessions/browser-sessions.ts';
import { clearCookie, setSignedCookie } from '../../auth/sessions/cookies.ts';
import { SETUP_SESSION, startSetupSession } from '../../auth/sessions/setup-sessions.ts';
import { renderPage } from '../../console/layout.tsx';
import { NewSetupLinkPage } from '../../console/single-sign-on/setup-links-panel.tsx';
import { SetupDonePage, SetupStartPage } from '../../console/single-sign-on/setup-page.tsx';
import type { GatewayError } from '../../errors.ts';
import {
  createSetupLink,
  findOpenSetupLink,
  findSetupScope,
  isSecretOfSetup,
  revokeSetupLink,
} from '../../organizations/setup/setup-links.ts';
import type { Runtime } from '../../runtime.ts';
import { callerOf, organizationOf } from '../api/callers.ts';
import { setupUrl } from '../api/representations.ts';
import { SETUP_LINK_OPTIONS } from '../api/request-shapes.ts';
import { countFailures, wrongTokens } from '../limits/rate-limits.ts';
import { sendPage } from '../pages.ts';
import { actorOf } from '../request-context.ts';
import { runOnce, takeSecret } from '../run-once.ts';
import { shownOrganization } from '../saml/logo.ts';
import { requireOwnOrigin } from './operator-visit.ts';
import { requireSetupSession, SETUP_BASE } from './setup-visit.ts';
import { oneSignInPages } from './sign-in-log.tsx';
import { singleSignOnPages } from './single-sign-on.tsx';
import { frameOf, openVisit, parseForm, redirectWithNotice, sendConsolePage, singleSignOnPathOf } from './visit.ts';

const TEXTS = {
  linkRevoked: 'The setup link is revoked. A setup that was started with it has ended.',
  linkShownOnce: 'A new setup link is shown only once. If you did not copy it, revoke it and create another one.',
} as const;

const STEPS_PATH = `${SETUP_BASE}/single-sign-on/steps`;

const SECRET = /^[\w-]{43}$/;

export function setupRoutes(runtime: Runtime): Router {
  const router = Router({ caseSensitive: true });
  router.use(SETUP_BASE, (_request, response, next) => {
    response.locals.route = 'setup';
    next();
  });
  landingRoutes(router, runtime);
  router.get(`${SETUP_BASE}/done`, (_request, response) => sendPage(response, 200, renderPage(<SetupDonePage />)));
  router.use(SETUP_BASE, ...openVisit(runtime, SETUP_SESSION, requireSetupSession(runtime)));
  router.use(`${SETUP_BASE}/single-sign-on`, singleSignOnPages(runtime));
  router.use(`${SETUP_BASE}/sign-ins`, oneSignInPages(runtime));
  router.post(`${SETUP_BASE}/leave`, async (request, response) => {
    await destroySession(request);
    clearCookie(runtime, response, 'setup');
    response.redirect(303, `${SETUP_BASE}/done`);
  });
  return router;
}

/** Opening a link does not use it up, only the button does, because programs that scan emails open links. */
function landingRoutes(router: Router, runtime: Runtime): void {
  const landing = Router({ caseSensitive: true, mergeParams: true });
  landing.use(async (request, response, next) => {
    if (!(await hasStarted(runtime, request))) return next();
    response.redirect(303, STEPS_PATH);
  });
  landing.get('/', (request, response) => showStart(runtime, request, response));
  // A CSRF token is not possible, because there is no session yet. Other sites do not know the secret in the URL.
  landing.post('/', requireOwnOrigin(runtime), async (request, response) => {
    const start = () => startSetupSession(runtime, actorOf(request, response), secretOf(request));
    setSignedCookie(runtime, response, 'setup', await countFailures(runtime, wrongLinks(request.ip), start));
    response.redirect(303, STEPS_PATH);
  });
  router.use(`${SETUP_BASE}/:secret`, (request, response, next) =>
    SECRET.test(secretOf(request)) ? landing(request, response, next) : next(),
  );
}

/** Returns true if this browser started the setup of this link. The link is the only way back to the setup. */
async function hasStarted(runtime: Runtime, request: Request): Promise<boolean> {
  const session = (await readRequestSession(runtime, SETUP_SESSION, request))?.value;
  if (!session || !(await isSecretOfSetup(runtime, secretOf(request), session))) return false;
  return (await findSetupScope(runtime, session.organizationId, session.linkId)) !== undefined;
}

/** Setup links are credentials, so wrong ones count like wrong tokens. */
const wrongLinks = (address: string | undefined) => ({
  ...wrongTokens(address),
  isFailure: ({ code }: GatewayError) => code === 'not_found',
});

const secretOf = (request: Request): string => String(request.params.secret);

async function showStart(runtime: Runtime, request: Request, response: Response): Promise<void> {
  const find = () => findOpenSetupLink(runtime, secretOf(request));
  const { organization, link } = await countFailures(runtime, wrongLinks(request.ip), find);
  const action = `${SETUP_BASE}/${secretOf(request)}`;
  const shown = await shownOrganization(runtime, organization);
  const page = <SetupStartPage organization={shown} action={action} expiresAtMs={link.value.expiresAtMs} />;
  sendPage(response, 200, renderPage(page));
}

const NEW_LINK_FORM = z.object({ expires_in_days: z.string().transform(Number).pipe(SETUP_LINK_OPTIONS.shape.expires_in_days.unwrap()) });

/** Forms for owners and the operator on the Single sign-on page. */
export function setupLinkPages(runtime: Runtime): Router {
  const router = Router({ caseSensitive: true });
  router.post('/', (request, response) => createLink(runtime, request, response));
  router.get('/created', (request, response) => showCreatedLink(runtime, request, response));
  router.post('/:id/revoke', async (request, response) => {
    await revokeSetupLink(runtime, callerOf(request, response), { organizationId: organizationOf(response).id, id: request.params.id });
    redirectWithNotice(runtime, response, singleSignOnPathOf(response), TEXTS.linkRevoked);
  });
  return router;
}

interface CreatedLink {
  readonly url: string;
  readonly expiresAtMs: number;
}

async function createLink(runtime: Runtime, request: Request, response: Response): Promise<void> {
  const { expires_in_days: expiresInDays } = parseForm(NEW_LINK_FORM, request);
  const options = { organization: organizationOf(response), connectionId: response.locals.connectionId, expiresInDays };
  await runOnce(runtime, request, response, async () => {
    const { secret, expiresAtMs } = await createSetupLink(runtime, callerOf(request, response), options);
    const created: CreatedLink = { url: setupUrl(runtime.config.baseUrl, secret), expiresAtMs };
    return { href: `${singleSignOnPathOf(response)}/setup-links/created`, secret: created };
  });
}

async function showCreatedLink(runtime: Runtime, request: Request, response: Response): Promise<void> {
  const created = await takeSecret<CreatedLink>(runtime, request, response);
  if (!created) {
    const text = TEXTS.linkShownOnce;
    return redirectWithNotice(runtime, response, singleSignOnPathOf(response), { kind: 'problem', text });
  }
  sendConsolePage(response, <NewSetupLinkPage frame={frameOf(runtime, request, response)} {...created} />);
}

/** The operator's way in: signing in with the token, and the visit that follows from it. */
import type { Request, RequestHandler, Response } from 'express';
import { operatorSessionOf } from '../../auth/sessions/operator-sessions.ts';
import { GatewayError } from '../../errors.ts';
import { getOrganization } from '../../organizations/directory.ts';
import type { Organization } from '../../organizations/organizations.ts';
import type { Runtime } from '../../runtime.ts';

export const OPERATOR_HOME = '/console/operator';

/** Lets a request with the operator's session through; redirects others to the operator's sign-in. */
export const requireOperatorSession: RequestHandler = (request, response, next) => {
  const session = operatorSessionOf(request);
  if (!session) return toSignIn(request, response);
  response.locals.principal = { kind: 'operator' };
  response.locals.wayOut = { href: OPERATOR_HOME, label: 'Back to the organizations' };
  response.locals.visit = {
    viewer: { kind: 'operator' },
    organization: undefined,
    base: OPERATOR_HOME,
    csrfToken: session.csrfToken,
  };
  next();
};

function toSignIn({ method, originalUrl }: Request, response: Response): void {
  const isPage = method === 'GET' && operatorReturnPath(originalUrl) !== undefined && originalUrl !== OPERATOR_HOME;
  response.redirect(303, isPage ? `${OPERATOR_HOME}/sign-in?return_to=${encodeURIComponent(originalUrl)}` : `${OPERATOR_HOME}/sign-in`);
}

/** Only pages of the operator. */
export const operatorReturnPath = (given: unknown): string | undefined =>
  typeof given === 'string' && /^\/console\/operator(?:\/[\w-]+)*$/.test(given) && given.length < 512 ? given : undefined;

/** The visit to one organization, for the pages about it. */
export function loadOrganization(runtime: Runtime): RequestHandler {
  return async (request, response, next) => {
    const organization = await getOrganization(runtime.store, String(request.params.org));
    const { visit } = response.locals;
    if (!visit) throw new GatewayError('unauthenticated');
    const base = organizationBase(organization);
    response.locals.organization = organization;
    response.locals.wayOut = { href: base, label: 'Back to the organization' };
    response.locals.visit = { ...visit, organization, base };
    next();
  };
}

export const organizationBase = ({ slug }: Pick<Organization, 'slug'>): string => `${OPERATOR_HOME}/organizations/${slug}`;

/**
 * For the one form that has no session to take a token from: browsers say from which site a form comes, and only ours may
 * bring it. What says neither is no browser of these years, and has no session that could be misused.
 */
export function requireOwnOrigin({ config }: Runtime): RequestHandler {
  return (request, _response, next) => {
    const site = request.get('Sec-Fetch-Site');
    const origin = request.get('Origin');
    const isOurs = site === undefined ? origin === undefined || origin === config.baseUrl : site === 'same-origin';
    if (!isOurs) throw new GatewayError('forbidden', 'This form comes from another site. Nothing was done.');
    next();
  };
}

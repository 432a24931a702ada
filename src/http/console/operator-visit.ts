/** The visit of the operator, and the guards of the operator's pages. */
import type { Request, RequestHandler, Response } from 'express';
import { operatorSessionOf } from '../../auth/sessions/operator-sessions.ts';
import { GatewayError } from '../../errors.ts';
import { getOrganization } from '../../organizations/directory.ts';
import type { Organization } from '../../organizations/organizations.ts';
import type { Runtime } from '../../runtime.ts';
import { visitOf } from './visit.ts';

export const OPERATOR_HOME = '/console/operator';

/** Lets a request with the operator's session through; redirects others to the operator's sign-in page. */
export const requireOperatorSession: RequestHandler = (request, response, next) => {
  const session = operatorSessionOf(request);
  if (!session) return redirectToSignIn(request, response);
  response.locals.principal = { kind: 'operator' };
  response.locals.wayOut = { href: OPERATOR_HOME, label: 'Back to the organizations' };
  response.locals.visit = { viewer: { kind: 'operator' }, organization: undefined, base: OPERATOR_HOME, csrfToken: session.csrfToken };
  next();
};

function redirectToSignIn({ method, originalUrl }: Request, response: Response): void {
  const returnTo = method === 'GET' && originalUrl !== OPERATOR_HOME ? operatorReturnPath(originalUrl) : undefined;
  const query = returnTo === undefined ? '' : `?return_to=${encodeURIComponent(returnTo)}`;
  response.redirect(303, `${OPERATOR_HOME}/sign-in${query}`);
}

/** Returns the path if it is one of the operator's pages; undefined otherwise, so that the sign-in redirects to no other page. */
export const operatorReturnPath = (given: unknown): string | undefined =>
  typeof given === 'string' && /^\/console\/operator(?:\/[\w-]+)*$/.test(given) && given.length < 512 ? given : undefined;

/** Narrows the visit to the organization of the path, for the pages about it. */
export function loadOrganization(runtime: Runtime): RequestHandler {
  return async (request, response, next) => {
    const organization = await getOrganization(runtime.store, String(request.params.org));
    const base = organizationBase(organization);
    response.locals.organization = organization;
    response.locals.wayOut = { href: base, label: 'Back to the organization' };
    response.locals.visit = { ...visitOf(response), organization, base };
    next();
  };
}

export const organizationBase = ({ slug }: Pick<Organization, 'slug'>): string => `${OPERATOR_HOME}/organizations/${slug}`;

/**
 * Refuses forms that another site sent. For the forms that cannot carry a CSRF token because there is no session yet. Browsers
 * send Sec-Fetch-Site or Origin with every form; a client without both is no current browser and has no session to misuse.
 */
export function requireOwnOrigin({ config }: Runtime): RequestHandler {
  return (request, _response, next) => {
    const site = request.get('Sec-Fetch-Site');
    const origin = request.get('Origin');
    const isOwn = site === undefined ? origin === undefined || origin === config.baseUrl : site === 'same-origin';
    if (!isOwn) throw new GatewayError('forbidden', 'Another site sent this form. Nothing was changed.');
    next();
  };
}

/** The JSON API, `/api/v1`. Each operation is a row in the file of its resource; this file puts them together. */
import { type RequestHandler, Router } from 'express';
import { authenticate, csrfTokenMatches } from '../../auth/authenticate.ts';
import { sessionMiddleware } from '../../auth/sessions/browser-sessions.ts';
import { loginOf, MEMBER_SESSION } from '../../auth/sessions/member-sessions.ts';
import { VERSION } from '../../client/version.ts';
import { GatewayError } from '../../errors.ts';
import { perRuntime, type Runtime } from '../../runtime.ts';
import { DISCOVERY } from '../discovery.ts';
import { FORWARD_AUTH } from '../forward-auth.ts';
import { checkBearerToken } from '../limits/rate-limits.ts';
import { OAUTH } from '../oauth.ts';
import { actorOf } from '../request-context.ts';
import * as answers from './answer-shapes.ts';
import { AUDIT } from './audit.ts';
import { noteUseAfterAnswer } from './callers.ts';
import { CONNECTIONS } from './connections.ts';
import { DOMAINS } from './domains.ts';
import { IDENTITY_PROVIDERS } from './identity-provider.ts';
import { KEYS } from './keys.ts';
import { LOGOS } from './logo.ts';
import { ME } from './me.ts';
import { MEMBERS } from './members.ts';
import { METADATA_PROPOSALS } from './metadata-proposals.ts';
import { openApiDocument } from './openapi.ts';
import { type Operation, type OperationDescription, operation, operationRoutes } from './operation.ts';
import { ORGANIZATIONS } from './organizations.ts';
import { PENDING_MEMBERS } from './pending-members.ts';
import { PROVISIONING } from './provisioning.ts';
import { ROLE_MAPPINGS } from './role-mapping.ts';
import { SCIM_TOKENS } from './scim-tokens.ts';
import { SETUP_LINKS } from './setup-links.ts';
import { SIGN_INS } from './sign-in-log.ts';
import { TOKENS } from './tokens.ts';

const OPENAPI = operation({
  method: 'get',
  path: '/api/v1/openapi.json',
  id: 'getOpenApi',
  summary: 'Retrieve the OpenAPI document',
  who: 'public',
  status: 200,
  answer: answers.OPENAPI,
  handle: ({ runtime, response }) => {
    response.locals.route = 'api_docs';
    response.setHeader('Cache-Control', 'public, max-age=300');
    return documentOf(runtime);
  },
});

/** The OpenAPI document of a gateway. */
export const documentOf = perRuntime(({ config }) => openApiDocument(OPERATIONS, config.baseUrl, VERSION));

const API: Readonly<Record<string, readonly Operation[]>> = {
  'Current member': [...ME, ...TOKENS],
  Members: MEMBERS,
  Organizations: [...ORGANIZATIONS, ...LOGOS],
  Domains: DOMAINS,
  'Single sign-on': [...IDENTITY_PROVIDERS, ...CONNECTIONS, ...METADATA_PROPOSALS, ...PENDING_MEMBERS, ...ROLE_MAPPINGS],
  Provisioning: [...SCIM_TOKENS, ...PROVISIONING],
  'Setup links': SETUP_LINKS,
  'Sign-in log': SIGN_INS,
  'Audit trail': AUDIT,
  'Signing keys': KEYS,
  'API description': [OPENAPI],
};

/** Every documented operation, by heading. */
export const OPERATIONS: Readonly<Record<string, readonly OperationDescription[]>> = {
  ...API,
  OAuth: [...DISCOVERY, ...OAUTH, FORWARD_AUTH],
};

export function apiRoutes(runtime: Runtime): Router {
  const operations = Object.values(API).flat();
  const router = Router({ caseSensitive: true });
  router.use((_request, response, next) => {
    response.locals.route = 'api';
    response.setHeader('Cache-Control', 'no-store');
    next();
  });
  router.use(operationRoutes(runtime, operations.filter(isPublic)));
  // Everything else needs a credential, also paths that do not exist.
  router.use(sessionMiddleware(runtime, MEMBER_SESSION), authenticateCaller(runtime));
  router.use(
    operationRoutes(
      runtime,
      operations.filter((each) => !isPublic(each)),
    ),
  );
  return router;
}

const isPublic = ({ who }: Operation): boolean => who === 'public';

/** Sets the principal of the request. With a session cookie, unsafe methods also need the CSRF token of the session in a header. */
function authenticateCaller(runtime: Runtime): RequestHandler {
  return async (request, response, next) => {
    const { authorization } = request.headers;
    const check = () => authenticate(runtime, { authorization, login: loginOf(request) });
    const principal = await (authorization === undefined
      ? check()
      : checkBearerToken(runtime, { actor: actorOf(request, response), authorization }, check));
    const isByCookie = principal.kind === 'member' && principal.csrfToken !== undefined;
    if (isByCookie && !SAFE_METHODS.has(request.method) && !csrfTokenMatches(request.get('X-Samlgate-CSRF'), principal)) {
      throw new GatewayError(
        'forbidden',
        'Requests that use the session cookie must send the X-Samlgate-CSRF header. GET /api/v1/me returns its value.',
      );
    }
    response.locals.principal = principal;
    response.locals.authenticateAgain = check;
    noteUseAfterAnswer(runtime, request, response, principal);
    next();
  };
}

const SAFE_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS']);

/** The JSON API, `/api/v1`: who may call what. Handlers read the input, call one function of the domain and write the answer. */
import express, { type RequestHandler, Router } from 'express';
import { readAudit } from '../../audit.ts';
import { authenticate, csrfTokenMatches } from '../../auth/authenticate.ts';
import { sessionMiddleware } from '../../auth/sessions/browser-sessions.ts';
import { loginOf, MEMBER_SESSION } from '../../auth/sessions/member-sessions.ts';
import { GatewayError } from '../../errors.ts';
import { getOrganization, listOrganizations, organizationIdOf } from '../../organizations/directory.ts';
import { changeMember, getMember, listMembers, removeMember } from '../../organizations/members.ts';
import { changeOrganization, createOrganization, deleteOrganization } from '../../organizations/organization-lifecycle.ts';
import { getOrganizationById } from '../../organizations/organizations.ts';
import { changeRoleMapping } from '../../organizations/role-mapping-change.ts';
import type { Runtime } from '../../runtime.ts';
import { callerOf, memberOf, noteUseAfterAnswer, organizationOf, principalOf, requireOperator } from './callers.ts';
import { identityProviderRoutes } from './identity-provider.ts';
import { auditJson, meJson, memberJson, organizationJson, roleMappingJson } from './representations.ts';
import {
  AUDIT_QUERY,
  checkShape,
  MEMBER_CHANGES,
  MEMBER_QUERY,
  NEW_ORGANIZATION,
  NEW_ROLE_MAPPING,
  ORGANIZATION_CHANGES,
  PAGE_QUERY,
  toOrganizationChanges,
} from './request-shapes.ts';
import { setupLinkRoutes } from './setup-links.ts';
import { signInRoutes } from './sign-in-log.ts';
import { keyRoutes, memberTokenRoutes, ownTokenRoutes } from './tokens.ts';

const SAFE_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS']);

export function apiRoutes(runtime: Runtime): Router {
  const router = Router({ caseSensitive: true });
  router.use((_request, response, next) => {
    response.locals.route = 'api';
    response.setHeader('Cache-Control', 'no-store');
    next();
  });
  router.use(sessionMiddleware(runtime, MEMBER_SESSION), authenticated(runtime));
  router.use(express.json({ limit: '2mb', inflate: false }));
  router.get('/me', async (_request, response) => {
    const principal = memberOf(response);
    const organization = await getOrganizationById(runtime.store, principal.organizationId);
    if (!organization) throw new GatewayError('unauthenticated');
    response.json(meJson(principal, organization));
  });
  router.use('/me', ownTokenRoutes(runtime));
  router.use('/keys', keyRoutes(runtime));
  organizationRoutes(router, runtime);
  const managed = Router({ caseSensitive: true, mergeParams: true });
  managed.use(manages(runtime));
  roleMappingAndAuditRoutes(managed, runtime);
  memberRoutes(managed, runtime);
  managed.use('/members', memberTokenRoutes(runtime));
  managed.use('/identity-provider', identityProviderRoutes(runtime));
  managed.use('/sign-ins', signInRoutes(runtime));
  managed.use('/setup-links', setupLinkRoutes(runtime));
  router.use('/organizations/:org', managed);
  return router;
}

/** Principal of the request; with a session cookie unsafe methods also need the session's own token in a header. */
function authenticated(runtime: Runtime): RequestHandler {
  return async (request, response, next) => {
    const { authorization } = request.headers;
    const principal = await authenticate(runtime, { authorization, login: loginOf(request) });
    const byCookie = principal.kind === 'member' && principal.csrfToken !== undefined;
    if (byCookie && !SAFE_METHODS.has(request.method) && !csrfTokenMatches(request.get('X-Samlgate-CSRF'), principal)) {
      throw new GatewayError('forbidden', 'With the session cookie this method needs the header X-Samlgate-CSRF.');
    }
    response.locals.principal = principal;
    noteUseAfterAnswer(runtime, request, response, principal);
    next();
  };
}

/** The organization of the path for its owners and the operator. To everybody else's members it does not exist. */
function manages(runtime: Runtime): RequestHandler {
  return async (request, response, next) => {
    const principal = principalOf(response);
    const organization = await getOrganization(runtime.store, String(request.params.org));
    if (principal.kind === 'member') {
      if (principal.organizationId !== organization.id) throw new GatewayError('organization_unknown');
      if (principal.member.role !== 'owner') throw new GatewayError('forbidden', 'Only an owner of the organization may do this.');
      // It is handed to other services: an owner who uses one must not put the organization into that service's hands.
      if (principal.credential.kind === 'session_token' && !SAFE_METHODS.has(request.method)) {
        throw new GatewayError('forbidden', 'A session token changes nothing in an organization. Use a CLI token, or the console.');
      }
    }
    response.locals.organization = organization;
    next();
  };
}

function organizationRoutes(router: Router, runtime: Runtime): void {
  router.get('/organizations', async (request, response) => {
    requireOperator(response);
    const page = await listOrganizations(runtime.store, checkShape(PAGE_QUERY, request.query));
    response.json({ items: page.items.map(organizationJson), next_cursor: page.nextCursor });
  });
  router.post('/organizations', async (request, response) => {
    requireOperator(response);
    const { slug, name, ...rest } = checkShape(NEW_ORGANIZATION, request.body);
    const organization = await createOrganization(runtime, callerOf(request, response), {
      slug,
      name,
      domains: [],
      allowedReturnUrls: [],
      ...toOrganizationChanges(rest),
    });
    response.status(201).json(organizationJson(organization));
  });
  router.get('/organizations/:org', manages(runtime), (_request, response) => {
    response.json(organizationJson(organizationOf(response)));
  });
  router.patch('/organizations/:org', manages(runtime), async (request, response) => {
    requireOperator(response);
    const changes = toOrganizationChanges(checkShape(ORGANIZATION_CHANGES, request.body));
    response.json(
      organizationJson(
        await changeOrganization(runtime, callerOf(request, response), { organizationId: organizationOf(response).id, changes }),
      ),
    );
  });
  // Not by `manages`, so that the operator may repeat a deletion that died half-way; members are told what they always are.
  const managesIfMember: RequestHandler = (request, response, next) =>
    principalOf(response).kind === 'operator' ? next() : manages(runtime)(request, response, next);
  router.delete('/organizations/:org', managesIfMember, async (request, response) => {
    requireOperator(response);
    await deleteOrganization(runtime, callerOf(request, response), await organizationIdOf(runtime.store, String(request.params.org)));
    response.status(204).end();
  });
}

function roleMappingAndAuditRoutes(router: Router, runtime: Runtime): void {
  router.get('/role-mapping', (_request, response) => {
    response.json(roleMappingJson(organizationOf(response).roleMapping));
  });
  router.put('/role-mapping', async (request, response) => {
    const { rules, default_role: defaultRole, allow_no_owner: allowNoOwner = false } = checkShape(NEW_ROLE_MAPPING, request.body);
    const after = await changeRoleMapping(runtime, callerOf(request, response), {
      organizationId: organizationOf(response).id,
      roleMapping: { rules, defaultRole },
      allowNoOwner,
    });
    response.json(roleMappingJson(after.roleMapping));
  });
  router.get('/audit', async (request, response) => {
    const { since, member, ...query } = checkShape(AUDIT_QUERY, request.query);
    const page = await readAudit(runtime.store, organizationOf(response).id, { ...query, sinceMs: since, memberId: member });
    response.json({ items: page.items.map((item) => auditJson(item.value)), next_cursor: page.nextCursor });
  });
}

function memberRoutes(router: Router, runtime: Runtime): void {
  router.get('/members', async (request, response) => {
    const page = await listMembers(runtime.store, organizationOf(response).id, checkShape(MEMBER_QUERY, request.query));
    response.json({ items: page.items.map((item) => memberJson(item.value)), next_cursor: page.nextCursor });
  });
  router.get('/members/:id', async (request, response) => {
    response.json(memberJson((await getMember(runtime.store, organizationOf(response).id, request.params.id)).value));
  });
  router.patch('/members/:id', async (request, response) => {
    const changes = checkShape(MEMBER_CHANGES, request.body);
    response.json(
      memberJson(await changeMember(runtime, callerOf(request, response), organizationOf(response).id, request.params.id, changes)),
    );
  });
  router.delete('/members/:id', async (request, response) => {
    await removeMember(runtime, callerOf(request, response), organizationOf(response).id, request.params.id);
    response.status(204).end();
  });
}

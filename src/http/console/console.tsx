/** The routes of the web console. */
import { type Request, type Response, Router } from 'express';
import { MEMBER_SESSION } from '../../auth/sessions/member-sessions.ts';
import type { Runtime } from '../../runtime.ts';
import { notFound } from '../error-exit.tsx';
import { auditPages } from './audit/audit.tsx';
import { brandingPages } from './branding/branding.tsx';
import { connectionPages, newConnectionPages } from './connections/connections.tsx';
import { metadataVersionPages } from './connections/metadata-versions.tsx';
import { credentialPages } from './credentials.tsx';
import { domainPages } from './domains.tsx';
import { memberPages } from './members.tsx';
import { operatorPages } from './operator.tsx';
import { provisioningPages } from './provisioning/provisioning.tsx';
import { roleMappingPages } from './role-mapping.tsx';
import { setupLinkPages } from './setup.tsx';
import { signInPages } from './sign-in-log.tsx';
import { singleSignOnPages } from './single-sign-on.tsx';
import { openVisit, rememberVisit, requireManager, requireMemberSession } from './visit.ts';

type Pages = (runtime: Runtime) => Router;

/** Pages about an organization, for its owners and the operator. Paths are below the base of the visit. */
const MANAGER_PAGES: readonly (readonly [path: string, pages: Pages])[] = [
  ['/members', memberPages],
  ['/single-sign-on', singleSignOnPages],
  ['/single-sign-on/setup-links', setupLinkPages],
  ['/single-sign-on/versions', metadataVersionPages],
  ['/single-sign-on/add', newConnectionPages],
  ['/single-sign-on/:con', connectionPages],
  ['/provisioning', provisioningPages],
  ['/domains', domainPages],
  ['/branding', brandingPages],
  ['/roles', roleMappingPages],
  ['/sign-ins', signInPages],
  ['/audit', auditPages],
];

export function consoleRoutes(runtime: Runtime): Router {
  const router = Router({ caseSensitive: true });
  router.use('/console', (_request: Request, response: Response, next) => {
    response.locals.route = 'console';
    next();
  });
  const pages = managerPages(runtime);
  // An unknown path ends here: the pages of members below must never see a request with the operator's session.
  router.use('/console/operator', operatorPages(runtime, pages), notFound);
  router.use('/console', ...openVisit(runtime, MEMBER_SESSION, requireMemberSession(runtime)), rememberVisit(runtime));
  router.use('/console', credentialPages(runtime), pages);
  return router;
}

function managerPages(runtime: Runtime): Router {
  const router = Router({ caseSensitive: true });
  for (const [path, pages] of MANAGER_PAGES) router.use(path, requireManager, pages(runtime));
  return router;
}

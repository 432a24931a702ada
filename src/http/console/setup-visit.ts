/** The visit of an IT administrator with a setup link: the single sign-on of one organization, and nothing else. */
import type { Request, RequestHandler, Response } from 'express';
import type { Actor } from '../../audit.ts';
import { setupSessionOf } from '../../auth/sessions/setup-sessions.ts';
import { GatewayError } from '../../errors.ts';
import { findSetupScope } from '../../organizations/setup/setup-links.ts';
import type { Runtime } from '../../runtime.ts';
import { callerOf } from '../api/callers.ts';
import { actorOf } from '../request-context.ts';
import { visitOf } from './visit.ts';

export const SETUP_BASE = '/setup';

/** Lets a request with a setup session through. It has no principal, so it cannot do anything that requires one. */
export function requireSetupSession(runtime: Runtime): RequestHandler {
  return async (request, response, next) => {
    const session = setupSessionOf(request);
    const scope = session && (await findSetupScope(runtime, session.organizationId, session.linkId));
    if (!session || !scope) throw new GatewayError('unauthenticated', { variant: 'setup_session_ended' });
    const { organization, connectionId } = scope;
    response.locals.connectionId = connectionId;
    response.locals.organization = organization;
    response.locals.wayOut = { href: `${SETUP_BASE}/single-sign-on`, label: 'Back to the setup' };
    response.locals.visit = {
      viewer: { kind: 'setup', linkId: session.linkId },
      organization,
      base: SETUP_BASE,
      csrfToken: session.csrfToken,
    };
    next();
  };
}

/** Returns the actor for the audit trail, on pages that members, the operator and setups share. */
export function visitActorOf(request: Request, response: Response): Actor {
  const { viewer } = visitOf(response);
  if (viewer.kind !== 'setup') return callerOf(request, response);
  return { ...actorOf(request, response), kind: 'setup_link', id: viewer.linkId };
}

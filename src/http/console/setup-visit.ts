/** The visit of an IT administrator with a setup link: the single sign-on of one organization, and nothing else. */
import type { Request, RequestHandler, Response } from 'express';
import type { Actor } from '../../audit.ts';
import { setupSessionOf } from '../../auth/sessions/setup-sessions.ts';
import { maskEntry } from '../../auth/sign-in-log/mask-entry.ts';
import type { SignInLogEntry } from '../../auth/sign-in-log/sign-in-log.ts';
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

/** Refuses missing sign-ins and those of others in the same words, so that the text does not reveal which sign-ins exist. */
export const UNKNOWN_ENTRY = 'This sign-in does not exist, or its entry has expired.';

/** Returns whether the visitor may see a sign-in. A setup sees its own tests only, and owners and the operator see all. */
export function maySeeEntry(response: Response, { kind, startedBy }: SignInLogEntry): boolean {
  const { viewer } = visitOf(response);
  return viewer.kind !== 'setup' || (kind === 'test' && startedBy === viewer.linkId);
}

/**
 * Returns a sign-in as its visitor may see it. A setup does not see which user its test is about: another person may have run it,
 * because a setup link can be forwarded. Call {@link maySeeEntry} first.
 */
export const entryForVisitor = (response: Response, entry: SignInLogEntry): SignInLogEntry =>
  visitOf(response).viewer.kind === 'setup' ? maskEntry(entry) : entry;

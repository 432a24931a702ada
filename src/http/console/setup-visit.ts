/** The visit of an IT administrator who came by a setup link: one organization, and nothing of it but single sign-on. */
import type { Request, RequestHandler, Response } from 'express';
import type { Actor } from '../../audit.ts';
import type { Config } from '../../config.ts';
import { GatewayError } from '../../errors.ts';
import { isSameSecret } from '../../ids.ts';
import { readSetupSession, SETUP_SESSION_SECONDS } from '../../organizations/setup-links.ts';
import type { Runtime } from '../../runtime.ts';
import { callerOf } from '../api/callers.ts';
import { actorOf, cookieOf } from '../request-context.ts';
import { visitOf } from './visit.ts';

export const SETUP_BASE = '/setup';

const cookieName = ({ isHttps }: Config): string => (isHttps ? '__Host-samlgate_setup' : 'samlgate_setup');

/** Lax: the test sign-in comes back from the identity provider's site. */
const cookieOptions = ({ isHttps }: Config) => ({ httpOnly: true, secure: isHttps, sameSite: 'lax', path: '/' }) as const;

export const setupCookie = ({ config }: Runtime, request: Request): string | undefined => cookieOf(request, cookieName(config));

export function giveSetupCookie({ config }: Runtime, response: Response, value: string): void {
  response.cookie(cookieName(config), value, { ...cookieOptions(config), maxAge: SETUP_SESSION_SECONDS * 1000 });
}

export function takeSetupCookie({ config }: Runtime, response: Response): void {
  response.clearCookie(cookieName(config), cookieOptions(config));
}

/** Lets those on who began a setup. There is no principal: nothing that asks for one is theirs. */
export function asSetup(runtime: Runtime): RequestHandler {
  return async (request, response, next) => {
    const session = await readSetupSession(runtime, setupCookie(runtime, request));
    if (!session) {
      throw new GatewayError(
        'unauthenticated',
        'The setup has ended, or was begun in another browser. Ask who sent you the setup link for a new one.',
      );
    }
    const { organization, linkId, csrfToken } = session;
    response.locals.organization = organization;
    response.locals.wayOut = { href: `${SETUP_BASE}/single-sign-on`, label: 'Back to the setup' };
    response.locals.visit = {
      viewer: { kind: 'setup', linkId },
      organization,
      base: SETUP_BASE,
      csrfToken,
      csrfMatches: (given) => isSameSecret(given, csrfToken),
    };
    next();
  };
}

/** Who does something on the pages that a setup may use as well. */
export function visitorOf(request: Request, response: Response): Actor {
  const { viewer } = visitOf(response);
  if (viewer.kind !== 'setup') return callerOf(request, response);
  return { ...actorOf(request, response), kind: 'setup_link', id: viewer.linkId };
}

/**
 * Sessions of IT administrators with a setup link. A session belongs to one organization and is for its single sign-on only.
 * Revoking the link ends the session.
 */
import type { Request } from 'express';
import type { Actor } from '../../audit.ts';
import { newSecret } from '../../ids.ts';
import { consumeSetupLink, findOpenSetupLink } from '../../organizations/setup/setup-links.ts';
import type { Runtime } from '../../runtime.ts';
import { newSid, putSession, type SessionKind, sidHashOf } from './browser-sessions.ts';
import { COOKIES } from './cookies.ts';

export interface SetupSession {
  readonly organizationId: string;
  readonly linkId: string;
  readonly csrfToken: string;
  /** Absolute end, ms since 1970. */
  readonly endsAtMs: number;
}

declare module 'express-session' {
  interface SessionData {
    setup?: SetupSession;
  }
}

export const SETUP_SESSION: SessionKind<SetupSession> = {
  name: 'setup',
  keyPrefix: 'setup-session',
  partition: /^org_[0-9a-z]{20}$/,
  isValid: ({ now }, { endsAtMs }) => endsAtMs > now(),
};

/**
 * Uses up a setup link and starts its session.
 * @returns the session ID
 * @throws not_found if the link is invalid, expired, revoked or already used, store_unavailable
 */
export async function startSetupSession(runtime: Runtime, actor: Actor, linkSecret: string): Promise<string> {
  const open = await findOpenSetupLink(runtime, linkSecret);
  const { organization, link } = open;
  const sid = newSid(organization.id);
  const { maxAgeSeconds } = COOKIES.setup;
  const session: SetupSession = {
    organizationId: organization.id,
    linkId: link.id,
    csrfToken: newSecret(),
    endsAtMs: runtime.now() + maxAgeSeconds * 1000,
  };
  await consumeSetupLink(runtime, actor, { ...open, sessionSteps: [putSession(SETUP_SESSION, sidHashOf(sid), session, maxAgeSeconds)] });
  return sid;
}

/** Returns the setup session of a request that has passed the session middleware. */
export const setupSessionOf = ({ session }: Request): SetupSession | undefined => session.setup;

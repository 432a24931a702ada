/** The organization that somebody signed in to last in this browser, so that the next sign-in is one click. */
import type { Request, Response } from 'express';
import { GatewayError } from '../errors.ts';
import { getOrganization } from '../organizations/directory.ts';
import type { Organization } from '../organizations/organizations.ts';
import type { Runtime } from '../runtime.ts';
import { DAY_MS } from '../time.ts';
import { SLUG } from './api/request-shapes.ts';
import { cookieOf } from './request-context.ts';

const KEEP_MS = 90 * DAY_MS;

const cookieName = ({ config }: Runtime): string => (config.isHttps ? '__Host-samlgate_organization' : 'samlgate_organization');
const cookieOptions = ({ config }: Runtime) => ({ httpOnly: true, secure: config.isHttps, sameSite: 'lax', path: '/' }) as const;

/** Nothing secret: the slug, which stands in the address of every sign-in as well. */
export function rememberOrganization(runtime: Runtime, request: Request, response: Response, slug: string): void {
  if (cookieOf(request, cookieName(runtime)) === slug) return;
  response.cookie(cookieName(runtime), slug, { ...cookieOptions(runtime), maxAge: KEEP_MS });
}

export function forgetOrganization(runtime: Runtime, response: Response): void {
  response.clearCookie(cookieName(runtime), cookieOptions(runtime));
}

/** Undefined where none is remembered, and where there is no such organization (any more). */
export async function lastOrganization(runtime: Runtime, request: Request): Promise<Organization | undefined> {
  const slug = SLUG.safeParse(cookieOf(request, cookieName(runtime)));
  if (!slug.success) return undefined;
  return getOrganization(runtime.store, slug.data).catch((error: unknown) => {
    if (error instanceof GatewayError && error.code === 'organization_unknown') return undefined;
    throw error;
  });
}

/** The organization used last in this browser, so that the sign-in page can offer it as one click. */
import type { Request, Response } from 'express';
import { clearCookie, readCookie, setCookie } from '../auth/sessions/cookies.ts';
import { GatewayError } from '../errors.ts';
import { getOrganization } from '../organizations/directory.ts';
import type { Organization } from '../organizations/organizations.ts';
import type { Runtime } from '../runtime.ts';
import { SLUG } from './api/field-shapes.ts';

export function rememberOrganization(runtime: Runtime, request: Request, response: Response, slug: string): void {
  if (readCookie(runtime, request, 'lastOrganization') !== slug) setCookie(runtime, response, 'lastOrganization', slug);
}

/**
 * Sets the cookie from which the assertion consumer service learns that the browser has a session. Sessions from before an upgrade lack
 * it, and the user may have deleted it.
 */
export function rememberSignedInTo(runtime: Runtime, response: Response, organizationId: string): void {
  if (readCookie(runtime, response.req, 'signedInTo') !== organizationId) setCookie(runtime, response, 'signedInTo', organizationId);
}

export const forgetOrganization = (runtime: Runtime, response: Response): void => clearCookie(runtime, response, 'lastOrganization');

/** Returns undefined if none is remembered, or if it no longer exists. */
export async function lastOrganization(runtime: Runtime, request: Request): Promise<Organization | undefined> {
  const slug = SLUG.safeParse(readCookie(runtime, request, 'lastOrganization'));
  if (!slug.success) return undefined;
  return getOrganization(runtime.store, slug.data).catch((error: unknown) => {
    if (error instanceof GatewayError && error.code === 'organization_unknown') return undefined;
    throw error;
  });
}

/** What every handler of a console page needs: the visit, the frame of the page, the posted form, and the redirect with a notice. */
import express, { type NextFunction, type Request, type RequestHandler, type Response } from 'express';
import type { VNode } from 'preact';
import type { z } from 'zod';
import { findSessionPrincipal } from '../../auth/authenticate.ts';
import type { SessionPrincipal } from '../../auth/principal.ts';
import { readRequestSession, reloadSession, type SessionKind, sessionMiddleware } from '../../auth/sessions/browser-sessions.ts';
import { clearCookie, readCookie, setCookie } from '../../auth/sessions/cookies.ts';
import { loginOf } from '../../auth/sessions/member-sessions.ts';
import { OPERATOR_SESSION } from '../../auth/sessions/operator-sessions.ts';
import { shortReturnTo } from '../../auth/sign-in/return-to.ts';
import { renderPage } from '../../console/layout.tsx';
import type { Frame, Notice, Viewer } from '../../console/navigation.ts';
import { GatewayError } from '../../errors.ts';
import { isSameSecret } from '../../ids.ts';
import { getOrganizationById, type Organization } from '../../organizations/organizations.ts';
import type { Runtime } from '../../runtime.ts';
import { organizationOf } from '../api/callers.ts';
import { hasBody, withTooLargeText } from '../api/request-body.ts';
import { checkShape } from '../api/request-shapes.ts';
import { rememberOrganization, rememberSignedInTo } from '../last-organization.ts';
import { readFormData } from '../limits/form-data.ts';
import { sendPage } from '../pages.ts';

declare global {
  namespace Express {
    interface Locals {
      visit?: Visit;
    }
  }
}

/** The user of a console page, and the pages that this user is on. `response.locals.principal` and `.organization` match it. */
export interface Visit {
  readonly viewer: Viewer;
  /** The organization that the pages are about; undefined on the operator's own pages. */
  readonly organization: Organization | undefined;
  /** `/console`, `/console/operator`, `/console/operator/organizations/SLUG` or `/setup`. */
  readonly base: string;
  /** Required with every form. */
  readonly csrfToken: string;
}

/** Lets a request with a member's session through; redirects others to the sign-in page. */
export function requireMemberSession(runtime: Runtime): RequestHandler {
  return async (request, response, next) => {
    const principal = await findSessionPrincipal(runtime, loginOf(request));
    const organization = principal && (await getOrganizationById(runtime.store, principal.organizationId));
    if (!principal || !organization) return redirectToLogin(request, response);
    response.locals.principal = principal;
    response.locals.organization = organization;
    response.locals.wayOut = { href: '/console', label: 'Back to the console' };
    response.locals.visit = { viewer: viewerOf(principal), organization, base: '/console', csrfToken: principal.csrfToken };
    next();
  };
}

/** Sets the cookies that remember the organization of a member's visit. */
export function rememberVisit(runtime: Runtime): RequestHandler {
  return (request, response, next) => {
    const { id, slug } = organizationOf(response);
    rememberOrganization(runtime, request, response, slug);
    rememberSignedInTo(runtime, response, id);
    next();
  };
}

/** A form is not sent again after the sign-in, because its fields are not stored. */
function redirectToLogin({ method, originalUrl }: Request, response: Response): void {
  const returnTo = (method === 'GET' && shortReturnTo(originalUrl)) || '/console';
  response.redirect(303, `/login?return_to=${encodeURIComponent(returnTo)}`);
}

const viewerOf = ({ member }: SessionPrincipal): Viewer => ({
  kind: 'member',
  id: member.id,
  name: member.name,
  email: member.email,
  role: member.role,
});

/** Lets owners and the operator through. */
export const requireManager: RequestHandler = (_request, response, next) => {
  const { viewer } = visitOf(response);
  if (viewer.kind === 'member' && viewer.role !== 'owner') {
    throw new GatewayError('forbidden', 'Only owners of the organization can see this page.');
  }
  next();
};

/** Checks again that the session of the visit is valid and may manage the organization, after a wait that its user can prolong. */
export async function requireManagerAgain(runtime: Runtime, request: Request, response: Response): Promise<void> {
  const { viewer } = visitOf(response);
  const principal =
    viewer.kind === 'operator'
      ? await readRequestSession(runtime, OPERATOR_SESSION, request)
      : await findSessionPrincipal(runtime, loginOf(request));
  if (!principal) throw new GatewayError('unauthenticated');
  if ('member' in principal && principal.member.role !== 'owner') throw new GatewayError('forbidden');
}

export const isOperator = (response: Response): boolean => visitOf(response).viewer.kind === 'operator';

/** @throws unauthenticated */
export function visitOf(response: Response): Visit {
  const { visit } = response.locals;
  if (!visit) throw new GatewayError('unauthenticated');
  return visit;
}

/** Returns the member that is signed in. @throws forbidden for the operator and for setups */
export function sessionPrincipalOf(response: Response): SessionPrincipal {
  const { principal } = response.locals;
  if (principal?.kind !== 'member' || principal.csrfToken === undefined) throw new GatewayError('forbidden', 'Only members can do this.');
  return principal;
}

/** 1 MiB of metadata, and room for the other fields of the form. */
const MAX_UPLOAD = 1100 * 1024;

const parseFields = express.urlencoded({ extended: false, limit: '512kb', inflate: false, parameterLimit: 5000 });
/** Runs before the page is known, so its refusal names the limits of all files. */
const parseUpload = withTooLargeText(express.raw({ type: 'multipart/form-data', limit: MAX_UPLOAD, inflate: false }), 'upload_too_large');

/**
 * Lets requests with a session of this kind through, reads the form of an unsafe request (fields or upload), and refuses it without
 * the CSRF token of the session. It runs before all handlers, so that none of them can omit a check. A body can take until its time
 * limit, so the session and the visit are loaded again after it: the session may have ended while the body was incomplete.
 * @param requireVisit sets the visit from the request's session, or refuses the request
 */
export const openVisit = <Value>(runtime: Runtime, kind: SessionKind<Value>, requireVisit: RequestHandler): readonly RequestHandler[] => [
  sessionMiddleware(runtime, kind),
  requireVisit,
  parseFields,
  parseUpload,
  async (request, response, next) => {
    if (!hasBody(request)) return next();
    await reloadSession(runtime, kind, request);
    await requireVisit(request, response, next);
  },
  requireCsrfToken,
];

async function requireCsrfToken(request: Request, response: Response, next: NextFunction): Promise<void> {
  if (request.method === 'GET' || request.method === 'HEAD') return next();
  if (Buffer.isBuffer(request.body)) request.body = await readUpload(request);
  const { csrf } = (request.body ?? {}) as { csrf?: unknown };
  if (!isSameSecret(typeof csrf === 'string' ? csrf : undefined, visitOf(response).csrfToken)) {
    throw new GatewayError(
      'forbidden',
      'This form does not belong to your current session: you signed in again while it was open, or another site sent it. Nothing was changed.',
    );
  }
  next();
}

/** Returns fields as text (as a list if several have the same name) and files as bytes. A file input without a file is empty text. */
async function readUpload(request: Request): Promise<Record<string, unknown>> {
  const fields: [string, unknown][] = [];
  for (const [name, parts] of await readFormData(request, request.body as Buffer)) {
    const values = await Promise.all(parts.map((part) => (typeof part === 'string' ? part : isNoFile(part) ? '' : bytesOf(part))));
    fields.push([name, values.length === 1 ? values[0] : values]);
  }
  return Object.fromEntries(fields);
}

/** Browsers send a file input without a file as an empty file without a name. */
const isNoFile = ({ name, size }: File): boolean => name === '' && size === 0;

const bytesOf = async (file: Blob): Promise<Uint8Array> => new Uint8Array(await file.arrayBuffer());

/** Returns the fields of the posted form. @throws validation_failed */
export const parseForm = <T>(shape: z.ZodType<T>, request: Request): T => checkShape(shape, request.body ?? {});

/** Returns what the user typed to confirm a deletion or removal. */
export function confirmationOf(request: Request): string | undefined {
  const { confirmation } = (request.body ?? {}) as { confirmation?: unknown };
  return typeof confirmation === 'string' ? confirmation.trim() : undefined;
}

/** Returns the path of the Single sign-on page of the connection that the page is about. A setup has only one. */
export function singleSignOnPathOf(response: Response): string {
  const { viewer, base } = visitOf(response);
  const { connectionId } = response.locals;
  return `${base}/single-sign-on${connectionId === undefined || viewer.kind === 'setup' ? '' : `/${connectionId}`}`;
}

/** Returns the frame of the page. If no notice is given, the page shows and clears the notice that the previous request left. */
export function frameOf(runtime: Runtime, request: Request, response: Response, notice = takeNotice(runtime, request, response)): Frame {
  const { viewer, organization, base, csrfToken } = visitOf(response);
  return { viewer, organization, base, csrfToken, notice, singleSignOnPath: singleSignOnPathOf(response), nowMs: runtime.now() };
}

/** Sends a page. Forms on members' pages may redirect to other sites, because signing out can continue at the identity provider. */
export function sendConsolePage(response: Response, page: VNode, status = 200): void {
  sendPage(response, status, renderPage(page), { formsMayLeave: visitOf(response).viewer.kind === 'member' });
}

const MAX_NOTICE = 600;

/** Answers a form with a redirect, so that reloading the next page submits nothing. That page shows the notice. */
export function redirectWithNotice(runtime: Runtime, response: Response, href: string, notice: Notice | string): void {
  const { kind, text } = typeof notice === 'string' ? { kind: 'done', text: notice } : notice;
  setCookie(runtime, response, 'notice', Buffer.from(JSON.stringify([kind, text.slice(0, MAX_NOTICE)])).toString('base64url'));
  response.redirect(303, href);
}

function takeNotice(runtime: Runtime, request: Request, response: Response): Notice | undefined {
  const value = readCookie(runtime, request, 'notice');
  if (value === undefined) return undefined;
  clearCookie(runtime, response, 'notice');
  try {
    const [kind, text] = JSON.parse(Buffer.from(value, 'base64url').toString('utf8')) as unknown[];
    if ((kind === 'done' || kind === 'problem') && typeof text === 'string') return { kind, text };
  } catch {
    // The gateway did not write this cookie, so there is nothing to show.
  }
  return undefined;
}

export interface FormAction {
  /** Does what the form asks for. @returns the notice for the next page */
  readonly run: () => Promise<string>;
  readonly href: string;
  /** The page that shows why the action was not possible (409); by default `href`. */
  readonly conflictHref?: string;
}

/** Runs an action, then redirects to a page that shows its result, or the conflict that prevented it. Other refusals get a page of their own. */
export async function runAndRedirect(runtime: Runtime, response: Response, { run, href, conflictHref = href }: FormAction): Promise<void> {
  await redirectOnConflict(runtime, response, conflictHref, async () => redirectWithNotice(runtime, response, href, await run()));
}

/** Runs an action that answers the request. If a conflict prevents it, redirects to the page that shows why. */
export async function redirectOnConflict(runtime: Runtime, response: Response, href: string, action: () => Promise<void>): Promise<void> {
  try {
    await action();
  } catch (error) {
    if (!(error instanceof GatewayError) || error.code !== 'conflict') throw error;
    redirectWithNotice(runtime, response, href, { kind: 'problem', text: error.facts.detail ?? error.textFor('user').title });
  }
}

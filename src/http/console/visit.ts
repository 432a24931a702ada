/** Who visits a page of the console, and what every handler of one needs: the frame, the form, the way back. */
import express, { type Request, type RequestHandler, type Response } from 'express';
import type { VNode } from 'preact';
import type { z } from 'zod';
import { findSessionPrincipal } from '../../auth/authenticate.ts';
import type { SessionPrincipal } from '../../auth/principal.ts';
import { clearCookie, readCookie, setCookie } from '../../auth/sessions/cookies.ts';
import { loginOf } from '../../auth/sessions/member-sessions.ts';
import { renderPage } from '../../console/layout.tsx';
import type { Frame, Notice, Viewer } from '../../console/navigation.ts';
import { GatewayError } from '../../errors.ts';
import { isSameSecret } from '../../ids.ts';
import { getOrganizationById, type Organization } from '../../organizations/organizations.ts';
import type { Runtime } from '../../runtime.ts';
import { checkShape } from '../api/request-shapes.ts';
import { rememberOrganization } from '../last-organization.ts';
import { sendPage } from '../pages.ts';

declare global {
  namespace Express {
    interface Locals {
      visit?: Visit;
    }
  }
}

/** A person, or the operator, on the pages below a base. `response.locals.principal` and `.organization` are theirs as well. */
export interface Visit {
  readonly viewer: Viewer;
  /** Whose pages these are; undefined on the operator's own. */
  readonly organization: Organization | undefined;
  /** `/console`, `/console/operator` or `/console/operator/organizations/SLUG`. */
  readonly base: string;
  /** Required with every form. */
  readonly csrfToken: string;
}

/** Lets people with a session on; sends everybody else to sign in. */
export function requireMemberSession(runtime: Runtime): RequestHandler {
  return async (request, response, next) => {
    const principal = await findSessionPrincipal(runtime, loginOf(request));
    const organization = principal && (await getOrganizationById(runtime.store, principal.organizationId));
    if (!principal || !organization) return toLogin(request, response);
    rememberOrganization(runtime, request, response, organization.slug);
    response.locals.principal = principal;
    response.locals.organization = organization;
    response.locals.wayOut = { href: '/console', label: 'Back to the console' };
    response.locals.visit = {
      viewer: viewerOf(principal),
      organization,
      base: '/console',
      csrfToken: principal.csrfToken,
    };
    next();
  };
}

/** After signing in a form is not sent again: nobody remembers what was in it. */
function toLogin({ method, originalUrl }: Request, response: Response): void {
  const returnTo = method === 'GET' ? originalUrl : '/console';
  response.redirect(303, `/login?return_to=${encodeURIComponent(returnTo)}`);
}

const viewerOf = ({ member }: SessionPrincipal): Viewer => ({
  kind: 'member',
  id: member.id,
  name: member.name,
  email: member.email,
  role: member.role,
});

/** Lets owners and the operator on. */
export const requireManager: RequestHandler = (_request, response, next) => {
  const { viewer } = visitOf(response);
  if (viewer.kind === 'member' && viewer.role !== 'owner') {
    throw new GatewayError('forbidden', 'Only an owner of the organization may see this.');
  }
  next();
};

export function visitOf(response: Response): Visit {
  const { visit } = response.locals;
  if (!visit) throw new GatewayError('unauthenticated');
  return visit;
}

/** The member whose session this is. @throws forbidden for the operator */
export function sessionPrincipalOf(response: Response): SessionPrincipal {
  const { principal } = response.locals;
  if (principal?.kind !== 'member' || principal.csrfToken === undefined) throw new GatewayError('forbidden', 'This is for members.');
  return principal;
}

/** 1 MiB of metadata, and what a form adds. */
const MAX_UPLOAD = 1100 * 1024;

/**
 * Reads the form of an unsafe request, fields or upload, and refuses it where it does not carry the session's own token. It
 * stands before all handlers, so none can forget it.
 */
export const readPostedForm: readonly RequestHandler[] = [
  express.urlencoded({ extended: false, limit: '512kb', inflate: false, parameterLimit: 5000 }),
  express.raw({ type: 'multipart/form-data', limit: MAX_UPLOAD, inflate: false }),
  async (request, response, next) => {
    if (request.method === 'GET' || request.method === 'HEAD') return next();
    if (Buffer.isBuffer(request.body)) request.body = await readUpload(request);
    const { csrf } = (request.body ?? {}) as { csrf?: unknown };
    if (!isSameSecret(typeof csrf === 'string' ? csrf : undefined, visitOf(response).csrfToken)) {
      throw new GatewayError('forbidden', {
        detail: 'This form is not from this session: it was open while you signed in anew, or another site sent it. Nothing was done.',
      });
    }
    next();
  },
];

/** Fields as text (several of one name as a list), files as octets. The platform's own parser reads the form. */
async function readUpload(request: Request): Promise<Record<string, unknown>> {
  const headers = { 'content-type': request.get('content-type') ?? '' };
  const form = await new globalThis.Response(new Uint8Array(request.body as Buffer), { headers }).formData().catch((cause: unknown) => {
    throw new GatewayError('validation_failed', { detail: 'The form can’t be read.', cause });
  });
  const fields = new Map<string, unknown>();
  for (const name of new Set(form.keys())) {
    const values = await Promise.all(form.getAll(name).map(async (value) => (typeof value === 'string' ? value : octetsOf(value))));
    fields.set(name, values.length === 1 ? values[0] : values);
  }
  return Object.fromEntries(fields);
}

const octetsOf = async (file: Blob): Promise<Uint8Array> => new Uint8Array(await file.arrayBuffer());

/** What was typed in. @throws validation_failed */
export const parseForm = <T>(shape: z.ZodType<T>, request: Request): T => checkShape(shape, request.body ?? {});

/** The frame of the page that answers; takes the notice that the request before left. */
export function frameOf(runtime: Runtime, request: Request, response: Response, notice = takeNotice(runtime, request, response)): Frame {
  const { viewer, organization, base, csrfToken } = visitOf(response);
  return { viewer, organization, base, csrfToken, notice, nowMs: runtime.now() };
}

/** Signing out of the console may lead to the identity provider, so the forms of a member's pages may. */
export function sendConsolePage(response: Response, page: VNode, status = 200): void {
  sendPage(response, status, renderPage(page), { formsMayLeave: visitOf(response).viewer.kind === 'member' });
}

const MAX_NOTICE = 600;

/** Answers a form: on to a page (so that reloading it sends nothing twice) that tells what was done. */
export function redirectWithNotice(runtime: Runtime, response: Response, href: string, notice?: Notice | string): void {
  if (notice !== undefined) {
    const { kind, text } = typeof notice === 'string' ? { kind: 'done', text: notice } : notice;
    const value = Buffer.from(JSON.stringify([kind, text.slice(0, MAX_NOTICE)])).toString('base64url');
    setCookie(runtime, response, 'notice', value);
  }
  response.redirect(303, href);
}

/**
 * Does what a form asks for, and goes on to a page that tells what was done. What stands in the way of it (409) is told
 * there as well; everything else that is refused is a page of its own.
 * @param act gives the words for what was done
 * @param stuckHref where it is told that it was not done
 */
export async function runAndRedirect(
  runtime: Runtime,
  response: Response,
  href: string,
  act: () => Promise<string>,
  stuckHref = href,
): Promise<void> {
  try {
    redirectWithNotice(runtime, response, href, await act());
  } catch (error) {
    if (!(error instanceof GatewayError) || error.code !== 'conflict') throw error;
    redirectWithNotice(runtime, response, stuckHref, {
      kind: 'problem',
      text: error.facts.detail ?? 'This conflicts with the current state. Resolve the conflict, then try again.',
    });
  }
}

/** What was typed to confirm. */
export function confirmationOf(request: Request): string | undefined {
  const { confirmation } = (request.body ?? {}) as { confirmation?: unknown };
  return typeof confirmation === 'string' ? confirmation.trim() : undefined;
}

function takeNotice(runtime: Runtime, request: Request, response: Response): Notice | undefined {
  const value = readCookie(runtime, request, 'notice');
  if (value === undefined) return undefined;
  clearCookie(runtime, response, 'notice');
  try {
    const [kind, text] = JSON.parse(Buffer.from(value, 'base64url').toString('utf8')) as unknown[];
    if ((kind === 'done' || kind === 'problem') && typeof text === 'string') return { kind, text };
  } catch {
    // Not ours, then nothing is told.
  }
  return undefined;
}

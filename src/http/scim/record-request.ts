/** Records each authenticated request of a SCIM client when it has been answered, or when the client has disconnected. */
import type { Request, Response } from 'express';
import type { ScimPrincipal } from '../../auth/tokens/scim-tokens.ts';
import { isUserId } from '../../ids.ts';
import { type ProvisioningRequest, recordProvisioningRequest, SCIM_PATHS } from '../../organizations/provisioning/provisioning-log.ts';
import type { Runtime } from '../../runtime.ts';

declare global {
  namespace Express {
    interface Locals {
      /** Why a SCIM request was refused. */
      scimRefusal?: { readonly scimType?: string | undefined; readonly detail: string };
    }
  }
}

/** Servers log this status for requests that were not answered. */
const UNANSWERED = { status: 499, detail: 'The client disconnected before the answer. The change may have been made.' };

export function recordRequest(
  runtime: Runtime,
  { organization, connection }: ScimPrincipal,
  { request, response }: { readonly request: Request; readonly response: Response },
): void {
  const { method, originalUrl, body } = request;
  // A request that was refused has left the router that knows its parameters.
  const [, , , , resource = '', id] = (originalUrl.split('?', 1)[0] ?? '').split('/');
  const { userName } = (body ?? {}) as { readonly userName?: unknown };
  const entry: ProvisioningRequest = {
    atMs: runtime.now(),
    method,
    path: pathKind(resource, id),
    ...(response.writableFinished ? { status: response.statusCode, ...response.locals.scimRefusal } : UNANSWERED),
    ...(method === 'POST' && typeof userName === 'string' ? { userName } : {}),
    ...(id !== undefined && isUserId(id) ? { memberId: id } : {}),
    requestId: response.locals.requestId,
  };
  recordProvisioningRequest(runtime, { organizationId: organization.id, connectionId: connection.id }, entry);
}

function pathKind(resource: string, id: string | undefined): ProvisioningRequest['path'] {
  const kind = id === undefined ? resource : `${resource}/{id}`;
  return SCIM_PATHS.find((each) => each === kind) ?? 'other';
}

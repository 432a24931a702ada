/** Records each authenticated request of a SCIM client when it has been answered. */
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

export function recordRequest(
  runtime: Runtime,
  { organization, connection }: ScimPrincipal,
  { request, response }: { readonly request: Request; readonly response: Response },
): void {
  const { method, params, body } = request;
  const id = typeof params.id === 'string' ? params.id : undefined;
  const { userName } = (body ?? {}) as { readonly userName?: unknown };
  const entry: ProvisioningRequest = {
    atMs: runtime.now(),
    method,
    path: pathKind(request.path, id),
    status: response.statusCode,
    ...response.locals.scimRefusal,
    ...(method === 'POST' && typeof userName === 'string' ? { userName } : {}),
    ...(id !== undefined && isUserId(id) ? { memberId: id } : {}),
  };
  recordProvisioningRequest(runtime, { organizationId: organization.id, connectionId: connection.id }, entry);
}

function pathKind(path: string, id: string | undefined): ProvisioningRequest['path'] {
  const [, , , , resource = ''] = path.split('/');
  const kind = id === undefined ? resource : `${resource}/{id}`;
  return SCIM_PATHS.find((each) => each === kind) ?? 'other';
}

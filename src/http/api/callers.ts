/** The authenticated caller of a request, for handlers of the API and the console. */
import type { Request, Response } from 'express';
import type { Principal } from '../../auth/principal.ts';
import { recordTokenUse } from '../../auth/tokens/token-use.ts';
import { GatewayError } from '../../errors.ts';
import type { Organization } from '../../organizations/organizations.ts';
import type { Runtime } from '../../runtime.ts';
import { actorOf } from '../request-context.ts';

declare global {
  namespace Express {
    interface Locals {
      principal?: Principal;
      /** Authenticates the caller of an API operation again. */
      authenticateAgain?: () => Promise<Principal>;
      /** The organization that console pages show. Set only if the caller has access to it. */
      organization?: Organization;
    }
  }
}

/** Returns the caller. @throws unauthenticated */
export function principalOf(response: Response): Principal {
  const { principal } = response.locals;
  if (!principal) throw new GatewayError('unauthenticated');
  return principal;
}

/** Authenticates the caller of an API operation again. @throws unauthenticated */
export async function authenticateAgain({ locals }: Response): Promise<Principal> {
  const principal = await locals.authenticateAgain?.();
  if (!principal) throw new GatewayError('unauthenticated');
  locals.principal = principal;
  return principal;
}

/** Returns the organization that console pages show. @throws forbidden */
export function organizationOf(response: Response): Organization {
  const { organization } = response.locals;
  if (!organization) throw new GatewayError('forbidden');
  return organization;
}

/** Returns the caller for the audit trail. @throws unauthenticated */
export const callerOf = (request: Request, response: Response) => actorOf(request, response, principalOf(response));

/** Records the use of a CLI token, once the answer is sent. */
export function noteUseAfterAnswer(runtime: Runtime, request: Request, response: Response, principal: Principal): void {
  if (principal.kind !== 'member' || principal.credential.kind !== 'cli_token') return;
  const { organizationId, credential } = principal;
  response.once('finish', () => {
    recordTokenUse(runtime, organizationId, credential.id, () => ({ address: request.ip, userAgent: request.headers['user-agent'] }));
  });
}

/** Who calls the JSON API, as its handlers ask for it. */
import type { Request, Response } from 'express';
import type { MemberPrincipal, Principal } from '../../auth/principal.ts';
import { noteTokenUse } from '../../auth/tokens/token-use.ts';
import { GatewayError } from '../../errors.ts';
import type { Organization } from '../../organizations/organizations.ts';
import type { Runtime } from '../../runtime.ts';
import { actorOf } from '../request-context.ts';

declare global {
  namespace Express {
    interface Locals {
      principal?: Principal;
      /** Of the path; set where the caller may manage it. */
      organization?: Organization;
    }
  }
}

/** @throws unauthenticated */
export function principalOf(response: Response): Principal {
  const { principal } = response.locals;
  if (!principal) throw new GatewayError('unauthenticated');
  return principal;
}

/** @throws forbidden for the operator */
export function memberOf(response: Response): MemberPrincipal {
  const principal = principalOf(response);
  if (principal.kind !== 'member') throw new GatewayError('forbidden', 'This is for members; the operator is none.');
  return principal;
}

/** @throws forbidden */
export function requireOperator(response: Response): void {
  if (principalOf(response).kind !== 'operator') throw new GatewayError('forbidden', 'Only the operator may do this.');
}

/** The organization of the path, which the caller may manage. @throws forbidden */
export function organizationOf(response: Response): Organization {
  const { organization } = response.locals;
  if (!organization) throw new GatewayError('forbidden');
  return organization;
}

export const callerOf = (request: Request, response: Response) => actorOf(request, response, principalOf(response));

/** The last use of a CLI token, noted when the answer is out. */
export function noteUseAfterAnswer(runtime: Runtime, request: Request, response: Response, principal: Principal): void {
  if (principal.kind !== 'member' || principal.credential.kind !== 'cli_token') return;
  const { organizationId, credential } = principal;
  response.once('finish', () => {
    noteTokenUse(runtime, organizationId, credential.id, () => ({ address: request.ip, userAgent: request.headers['user-agent'] }));
  });
}

/** The connection that a page of the console or of a setup is about. */
import type { Request, RequestHandler, Response } from 'express';
import { findConnection, findDefaultConnection, requireConnection } from '../../../organizations/connections/connections.ts';
import type { Connection } from '../../../organizations/organizations.ts';
import { organizationOf } from '../../api/callers.ts';

declare global {
  namespace Express {
    interface Locals {
      /** Set by the path of a console page, or by the setup link. Without it, pages are about the default connection. */
      connectionId?: string | undefined;
    }
  }
}

/** Lets a request for `/{con}/…` through if the organization has this connection. Not for setups, whose link names the connection. */
export const visitConnection: RequestHandler = (request: Request, response: Response, next) => {
  const id = String(request.params.con);
  if (!id.startsWith('con_')) return next('router');
  response.locals.connectionId = requireConnection(organizationOf(response), id).id;
  next();
};

/** Returns the connection of the page, or undefined if the organization has none yet. */
export function findVisitedConnection(response: Response): Connection | undefined {
  const { connectionId } = response.locals;
  const organization = organizationOf(response);
  return connectionId === undefined ? findDefaultConnection(organization) : findConnection(organization, connectionId);
}

/** @throws idp_not_configured, not_found */
export const requireVisitedConnection = (response: Response): Connection =>
  requireConnection(organizationOf(response), response.locals.connectionId);

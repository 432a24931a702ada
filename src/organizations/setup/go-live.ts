/** Activates a draft that a setup link has set up. */
import { isDeepStrictEqual } from 'node:util';
import type { Actor } from '../../audit.ts';
import { GatewayError } from '../../errors.ts';
import type { Runtime } from '../../runtime.ts';
import { requireConnection, withConnection } from '../connections/connections.ts';
import { changedMeanwhile } from '../connections/entity-id-change.ts';
import { type Connection, type Organization, updateOrganization } from '../organizations.ts';
import { readActivationCheck } from './first-activation.ts';
import { requireLinkStep } from './setup-links.ts';
import { isLockedForSetup, requireLinkId } from './setup-rights.ts';

export interface GoLive {
  readonly organization: Organization;
  /** The connection of the setup link. */
  readonly connectionId: string;
}

/**
 * Activates the draft of a setup link, so that users can sign in. Doing it again changes nothing.
 * @throws conflict if no test sign-in with the current metadata and settings was accepted, or if no rule gives the owner role; forbidden if the connection is disabled, or
 *   if it has the members of a deleted identity provider
 */
export async function goLive(runtime: Runtime, actor: Actor, { organization, connectionId }: GoLive): Promise<Organization> {
  const checked = requireConnection(organization, connectionId);
  if (checked.state === 'active') return organization;
  if (await isLockedForSetup(runtime.store, { organization, connectionId })) {
    throw new GatewayError('forbidden', 'This connection has members, so an owner of the organization must activate it.');
  }
  const linkStep = await requireLinkStep(runtime.store, organization.id, requireLinkId(actor));
  const requireOwnerRule = await readActivationCheck(runtime.store, actor, { organizationId: organization.id, allowNoOwner: false });
  return updateOrganization(runtime, actor, {
    organizationId: organization.id,
    event: 'connection.changed',
    details: { connection: connectionId, state: 'active' },
    change: (before) => {
      const draft = requireConnection(before, connectionId);
      if (draft.state === 'active') return undefined;
      requireReady(draft, checked);
      requireOwnerRule(before, draft);
      return withConnection(before, { ...draft, state: 'active' });
    },
    extraSteps: () => [linkStep],
  });
}

/** @param checked the connection as it was when its members were looked for */
function requireReady({ state, testedAt, identityScope, replaces, change }: Connection, checked: Connection): void {
  if (state !== 'draft')
    throw new GatewayError('forbidden', 'This connection is disabled. Only an owner of the organization can enable it.');
  if (identityScope !== checked.identityScope || replaces !== checked.replaces || !isDeepStrictEqual(change, checked.change)) {
    throw changedMeanwhile();
  }
  if (testedAt === undefined) {
    throw new GatewayError('conflict', 'Test the sign-in first. The last changes have not passed a test sign-in.');
  }
}

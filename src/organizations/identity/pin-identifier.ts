/** Pins the identifier of a connection to the source that identified its first user. */
import { type Actor, auditStep } from '../../audit.ts';
import type { IdentifierSource } from '../../saml/identifier/identifier.ts';
import type { Step, Stored } from '../../store/store.ts';
import { withConnection } from '../connections/connections.ts';
import { type Connection, ORGANIZATION, ORGANIZATION_RECORD, type Organization } from '../organizations.ts';

export interface Pin {
  readonly connection: Connection;
  readonly source: IdentifierSource;
  readonly actor: Actor;
  readonly nowMs: number;
}

/**
 * Returns the steps that pin the identifier of a connection. They replace the organization, so they fail if it has changed since it was
 * read, and of two sign-ins at the same moment only one pins.
 * @param organizationStep what the commit does with the organization otherwise; its new value is kept
 */
export function pinIdentifier(
  organizationStep: Step,
  { value, version }: Stored<Organization>,
  { connection, source, actor, nowMs }: Pin,
): { readonly organizationStep: Step; readonly pinSteps: readonly Step[] } {
  const organization = organizationStep.do === 'replace' ? (organizationStep.value as Organization) : value;
  const pinned = { ...connection, settings: { ...connection.settings, identifier: source } };
  return {
    organizationStep: {
      do: 'replace',
      collection: ORGANIZATION,
      id: ORGANIZATION_RECORD,
      version,
      value: withConnection(organization, pinned),
    },
    pinSteps: [auditStep(nowMs, actor, 'identifier.pinned', { details: { identifier: source, connection: connection.id } })],
  };
}

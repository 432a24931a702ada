/** Suggests an attribute to read groups from, if a sign-in had no groups. An administrator decides; it never becomes a default. */
import type { Actor } from '../../audit.ts';
import { GatewayError } from '../../errors.ts';
import { findConnection, findDefaultConnection } from '../../organizations/connections/connections.ts';
import { attributeMappingOf, changeIdpSettings } from '../../organizations/connections/identity-providers.ts';
import type { Connection, Organization } from '../../organizations/organizations.ts';
import type { Runtime } from '../../runtime.ts';
import { ROLE_ATTRIBUTES } from '../../saml/response/attribute-mapping.ts';
import { getLogEntry, listLogEntries, type SignInLogEntry } from './sign-in-log.ts';

/** Returns an attribute of the response that may contain the groups. Undefined if groups were read or no signature covers the response. */
export function suggestGroupsAttribute({ isVerified, groups, attributeNames }: SignInLogEntry): string | undefined {
  if (!isVerified || groups?.groupsState !== 'absent') return undefined;
  return ROLE_ATTRIBUTES.find((name) => attributeNames.includes(name));
}

/** The same as {@link suggestGroupsAttribute}, but only while the connection of the sign-in does not read the attribute yet. */
export function findGroupsSuggestion(organization: Organization, entry: SignInLogEntry): string | undefined {
  const name = suggestGroupsAttribute(entry);
  const connection = connectionOf(organization, entry);
  return name !== undefined && connection && !attributeMappingOf(connection).groups.includes(name) ? name : undefined;
}

/** Entries from before connections existed belong to the default connection. */
const connectionOf = (organization: Organization, { connectionId }: SignInLogEntry): Connection | undefined =>
  connectionId === undefined ? findDefaultConnection(organization) : findConnection(organization, connectionId);

/** Returns the suggestion for the latest sign-in with a valid signature. @throws store_unavailable */
export async function findLatestGroupsSuggestion(runtime: Runtime, organization: Organization): Promise<string | undefined> {
  const { items } = await listLogEntries(runtime, organization.id, { limit: RECENT_SIGN_INS });
  const latest = items.find(({ isVerified }) => isVerified);
  return latest && findGroupsSuggestion(organization, await getLogEntry(runtime, organization.id, latest.id));
}

const RECENT_SIGN_INS = 50;

/**
 * Makes the connection of a sign-in also read groups from the suggested attribute, after those that it already reads.
 * @returns the name of the attribute
 * @throws conflict if nothing is suggested any longer
 */
export async function acceptGroupsSuggestion(
  runtime: Runtime,
  actor: Actor,
  { organization, entry }: { readonly organization: Organization; readonly entry: SignInLogEntry },
): Promise<string> {
  const name = findGroupsSuggestion(organization, entry);
  const connection = connectionOf(organization, entry);
  if (name === undefined || !connection)
    throw new GatewayError('conflict', 'No groups attribute is suggested for this sign-in any longer. Reload the page.');
  const groups = [...attributeMappingOf(connection).groups, name];
  await changeIdpSettings(runtime, actor, {
    organization,
    connectionId: entry.connectionId,
    changes: { attributeMapping: { ...connection.settings.attributeMapping, groups } },
  });
  return name;
}

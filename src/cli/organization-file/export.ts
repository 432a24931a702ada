/** Writes an organization file from an organization, without secrets. */
import type { IdentityProvider } from '../../client/api-types.ts';
import type { Client } from '../../client/client.ts';
import { CONNECTION_SETTINGS } from '../connection-settings.ts';
import { orUndefined } from '../gateway-api.ts';
import { ORGANIZATION_FIELDS } from './file.ts';
import { metadataXml } from './metadata-xml.ts';

export interface ExportedOrganization {
  /** The content of the file. */
  readonly file: Readonly<Record<string, unknown>>;
  /** What the file does not contain. */
  readonly notes: readonly string[];
}

/**
 * Returns the content of a file that `samlgate org apply` accepts. Connections have no IDs, and role rules name them, so that the
 * file also creates the organization at another gateway.
 */
export async function exportOrganization(client: Client, slug: string): Promise<ExportedOrganization> {
  const organization: Readonly<Record<string, unknown>> = { ...(await client.organizations.get(slug)) };
  const { items } = await client.connections.list(slug);
  const { rules, default_role } = await client.roleMapping.get(slug);
  const verified = (await client.domains.list(slug)).filter(({ state }) => state === 'verified').map(({ domain }) => domain);
  const logo = await orUndefined(client.logo.get(slug), 'not_found');
  const nameOf = (id: string) => items.find((each) => each.id === id)?.name ?? id;
  return {
    file: {
      slug,
      ...Object.fromEntries(ORGANIZATION_FIELDS.map((field) => [field, organization[field]])),
      ...(items.length === 0 ? {} : { connections: items.map(connectionEntry) }),
      role_mapping: {
        rules: rules.map(({ connection, ...rule }) => (connection === undefined ? rule : { ...rule, connection: nameOf(connection) })),
        default_role,
      },
    },
    notes: [
      'Members, tokens and the private keys of the organization are not exported.',
      ...(logo === undefined
        ? []
        : [`The logo is not exported. Download it from ${logo.url}, and set it with: samlgate org logo SLUG FILE`]),
      ...(verified.length === 0 ? [] : [`These domains have to be verified again at another gateway: ${verified.join(', ')}.`]),
    ],
  };
}

function connectionEntry(idp: IdentityProvider): Readonly<Record<string, unknown>> {
  const { name, state, is_default, entity_id, metadata_url } = idp;
  const metadata = metadata_url === null ? { metadata_xml: metadataXml(idp) } : { metadata_url, entity_id };
  const settings = Object.fromEntries(CONNECTION_SETTINGS.map((setting) => [setting, idp[setting]]));
  return { name, state, ...(is_default ? { is_default } : {}), ...metadata, ...settings };
}

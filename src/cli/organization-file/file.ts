/** Organization files: reads and checks their fields. The gateway validates the values. */
import path from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import type { CallOptions } from '../../client/send-request.ts';
import { CommandError } from '../command-error.ts';
import { describeFileProblems } from '../file-problems.ts';
import { readFile } from '../read-file.ts';

const METADATA = {
  /** Path, relative to the organization file. */
  metadata_file: z.string().optional(),
  metadata_xml: z.string().optional(),
  metadata_url: z.string().optional(),
  entity_id: z.string().optional(),
  sso_url: z.string().optional(),
  slo_url: z.string().optional(),
  certificates: z.array(z.string()).optional(),
  /** What happens to the members if the entity ID is another one. */
  on_new_entity_id: z.enum(['keep', 'link_by_email', 'new_accounts']).optional(),
  link_until: z.string().optional(),
};

// The other fields are settings.
const IDENTITY_PROVIDER = z.object(METADATA).catchall(z.unknown());

/** The fields of a connection besides metadata and settings. */
const CONNECTION_FIELDS = {
  name: z.string(),
  /** Selects an existing connection, whatever its name. */
  id: z.string().optional(),
  state: z.enum(['draft', 'active', 'disabled'], 'must be draft, active or disabled'),
  is_default: z.literal(true, 'must be true, or absent').optional(),
  /** With `state: disabled`: does not revoke the sessions and tokens of the members. */
  keep_sessions: z.boolean().optional(),
};

const CONNECTION = z.object({ ...METADATA, ...CONNECTION_FIELDS }).catchall(z.unknown());

const isUnique = (values: readonly unknown[]) => new Set(values).size === values.length;

const FILE = z
  .strictObject({
    slug: z.string(),
    name: z.string(),
    domains: z.array(z.string()).optional(),
    allowed_return_urls: z.array(z.string()).optional(),
    contact_email: z.string().nullable().optional(),
    logo_url: z.string().nullable().optional(),
    cli_token_max_days: z.number().nullable().optional(),
    cli_token_sso_within_days: z.number().nullable().optional(),
    session_token_audiences: z.array(z.string()).optional(),
    email_policy: z.string().optional(),
    provisioning: z.string().optional(),
    groups_from: z.string().optional(),
    scim_link_attribute: z.string().nullable().optional(),
    /** The default connection. */
    identity_provider: IDENTITY_PROVIDER.optional(),
    connections: z
      .array(CONNECTION)
      .max(10, 'must have at most 10 entries')
      .refine((list) => isUnique(list.map(({ name }) => name)), 'must not contain the same name twice')
      .refine((list) => list.filter((each) => each.is_default).length <= 1, 'must not contain several default connections')
      .optional(),
    role_mapping: z
      .strictObject({
        rules: z
          .array(
            z.strictObject({
              group: z.string(),
              role: z.string(),
              /** Name or ID of a connection, or `*` for all. */
              connection: z.string().optional(),
            }),
          )
          .default([]),
        default_role: z.string(),
      })
      .optional(),
  })
  .refine((file) => file.identity_provider === undefined || file.connections === undefined, {
    path: ['identity_provider'],
    error: 'must not be beside connections. Move it into connections',
  });

export type OrganizationFile = z.infer<typeof FILE> & { readonly source: string };

/** The fields of an organization besides its connections and role rules. */
export const ORGANIZATION_FIELDS = [
  'name',
  'domains',
  'allowed_return_urls',
  'contact_email',
  'logo_url',
  'cli_token_max_days',
  'cli_token_sso_within_days',
  'session_token_audiences',
  'email_policy',
  'provisioning',
  'groups_from',
  'scim_link_attribute',
] as const;

/** A connection as a file describes it. `identity_provider` has no name. */
export type ConnectionEntry = z.infer<typeof IDENTITY_PROVIDER> & Partial<Pick<z.infer<typeof CONNECTION>, keyof typeof CONNECTION_FIELDS>>;

/** @throws CommandError that names each invalid field */
export function readOrganizationFile(name: string): OrganizationFile {
  let content: unknown;
  try {
    content = parse(readFile(name).toString('utf8'));
  } catch (error) {
    if (error instanceof CommandError) throw error;
    throw new CommandError(`${name} is not valid YAML. ${(error as Error).message.split('\n')[0]?.replace(/:$/, '.')}`);
  }
  const result = FILE.safeParse(content);
  if (!result.success) {
    const problems = describeFileProblems(result.error, content).map((problem) => `  ${problem}`);
    throw new CommandError(`${name} is not a valid organization file:\n${problems.join('\n')}`);
  }
  return { ...result.data, source: name };
}

/** Returns the fields of an entry that are settings. */
export const settingsOf = (entry: ConnectionEntry): Record<string, unknown> =>
  Object.fromEntries(Object.entries(entry).filter(([name]) => !Object.hasOwn(METADATA, name) && !Object.hasOwn(CONNECTION_FIELDS, name)));

/** Returns the metadata of an entry as the body of a request. Undefined if the entry has none. @throws CommandError */
export function metadataRequest(entry: ConnectionEntry, source: string): CallOptions | undefined {
  const { metadata_file, metadata_xml, metadata_url, entity_id, sso_url, slo_url, certificates } = entry;
  if (metadata_file !== undefined) {
    // The octets of the file, because its XML declaration may name an encoding other than UTF-8.
    const body = readFile(path.resolve(path.dirname(source), metadata_file));
    return { body, contentType: 'application/samlmetadata+xml', query: { entity_id } };
  }
  if (metadata_xml !== undefined) return { body: withoutUndefined({ metadata_xml, entity_id }) };
  if (metadata_url !== undefined) return { body: withoutUndefined({ metadata_url, entity_id }) };
  return sso_url === undefined ? undefined : { body: withoutUndefined({ entity_id, sso_url, slo_url, certificates }) };
}

export const withoutUndefined = (fields: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));

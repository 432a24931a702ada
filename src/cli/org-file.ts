/** Organization files (`org apply`): reads them, compares them with the gateway, and makes the API calls that remove the differences. */
import path from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { parse } from 'yaml';
import { z } from 'zod';
import type { IdentityProvider, SavedRoleMapping } from '../client/api-types.ts';
import type { Client } from '../client/client.ts';
import { SamlgateError } from '../client/samlgate-error.ts';
import type { CallOptions } from '../client/send-request.ts';
import { CommandError, describeRefusal } from './command-error.ts';
import { describeFileProblems } from './file-problems.ts';
import { orUndefined } from './gateway-api.ts';
import { countOf } from './output.ts';
import { readFile } from './read-file.ts';

const IDENTITY_PROVIDER = z
  .object({
    /** Path, relative to the organization file. */
    metadata_file: z.string().optional(),
    metadata_xml: z.string().optional(),
    metadata_url: z.string().optional(),
    entity_id: z.string().optional(),
    sso_url: z.string().optional(),
    slo_url: z.string().optional(),
    certificates: z.array(z.string()).optional(),
    /** What happens to the members if the entity ID is another one. The gateway refuses all decisions except `new_accounts`. */
    on_new_entity_id: z.enum(['keep', 'link_by_email', 'new_accounts']).optional(),
  })
  // The other fields are settings. The gateway validates them.
  .catchall(z.unknown());

const FILE = z.strictObject({
  slug: z.string(),
  name: z.string(),
  domains: z.array(z.string()).optional(),
  allowed_return_urls: z.array(z.string()).optional(),
  contact_email: z.string().nullable().optional(),
  logo_url: z.string().nullable().optional(),
  email_policy: z.string().optional(),
  identity_provider: IDENTITY_PROVIDER.optional(),
  role_mapping: z
    .strictObject({
      rules: z.array(z.strictObject({ group: z.string(), role: z.string(), connection: z.string().optional() })).default([]),
      default_role: z.string(),
    })
    .optional(),
});

const METADATA_FIELDS = [
  'metadata_file',
  'metadata_xml',
  'metadata_url',
  'entity_id',
  'sso_url',
  'slo_url',
  'certificates',
  'on_new_entity_id',
] as const;

export type OrganizationFile = z.infer<typeof FILE> & { readonly source: string };

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

interface Change {
  /** Verb and object, such as `set the identity provider`. */
  readonly description: string;
  run(client: Client): Promise<unknown>;
  /** Whether the answer has warnings for the person who applies the file. */
  readonly hasWarnings?: true;
}

export interface Plan {
  readonly slug: string;
  readonly changes: readonly Change[];
}

type Fields = Record<string, unknown>;

export interface PlanOptions {
  /** Confirms role rules that leave the organization without an owner. The gateway accepts this from the operator only. */
  readonly allowNoOwner: boolean;
}

/** Returns the changes that make the gateway match the file. Changes nothing. */
export async function planChanges(client: Client, file: OrganizationFile, options: PlanOptions = { allowNoOwner: false }): Promise<Plan> {
  const root = `/api/v1/organizations/${encodeURIComponent(file.slug)}`;
  const { slug, name, domains, allowed_return_urls, contact_email, logo_url, email_policy } = file;
  const current = (await orUndefined(client.call('GET', root), 'organization_unknown')) as Fields | undefined;
  const desired = withoutUndefined({ name, domains, allowed_return_urls, contact_email, logo_url, email_policy });
  const changes: Change[] = [];
  const add = (description: string, method: string, url: string, body: unknown) =>
    changes.push({ description, run: (gateway) => gateway.call(method, url, { body }) });

  if (!current) add(`create the organization “${name}”`, 'POST', '/api/v1/organizations', { slug, ...withoutNull(desired) });
  const different = current ? differences(current, desired) : {};
  if (Object.keys(different).length > 0) add(`change ${Object.keys(different).join(', ')}`, 'PATCH', root, different);
  if (file.identity_provider)
    changes.push(...(await planIdentityProvider(client, file, `${root}/identity-provider`, current !== undefined)));
  if (file.role_mapping) {
    const before = current ? await client.call('GET', `${root}/role-mapping`) : undefined;
    if (!isDeepStrictEqual(before, file.role_mapping)) {
      const body = options.allowNoOwner ? { ...file.role_mapping, allow_no_owner: true } : file.role_mapping;
      changes.push({
        description: `set ${countOf(file.role_mapping.rules.length, 'role rule')} with the default role ${file.role_mapping.default_role}`,
        run: (gateway) => gateway.call('PUT', `${root}/role-mapping`, { body }),
        hasWarnings: true,
      });
    }
  }
  return { slug, changes };
}

async function planIdentityProvider(client: Client, file: OrganizationFile, path: string, exists: boolean): Promise<Change[]> {
  const given = file.identity_provider ?? {};
  const metadata = metadataRequest(file);
  const settings = Object.fromEntries(Object.entries(given).filter(([name]) => !(METADATA_FIELDS as readonly string[]).includes(name)));
  const before = exists ? ((await orUndefined(client.call('GET', path), 'idp_not_configured')) as Fields | undefined) : undefined;
  const changes: Change[] = [];
  if (metadata) {
    // The gateway reads metadata only for an existing organization. For a new one, mistakes are reported when it is created.
    const parsed = exists
      ? ((await client.call('PUT', path, { ...metadata, query: { ...metadata.query, dry_run: true } })) as Fields)
      : undefined;
    if (!before || !parsed || !isDeepStrictEqual(identityOf(before), identityOf(parsed))) {
      const entityId = parsed ? ` ${String(parsed.entity_id)}` : '';
      const affected = (parsed as Partial<IdentityProvider> | undefined)?.members;
      const effect = affected
        ? ` (another one, which affects ${countOf(affected.matching + affected.ambiguous + affected.new, 'member')})`
        : '';
      changes.push({
        description: `set the identity provider${entityId}${effect}`,
        run: (gateway) =>
          gateway.call('PUT', path, { ...metadata, query: { ...metadata.query, on_new_entity_id: given.on_new_entity_id } }),
      });
    }
  }
  const different = before ? differences(before, settings) : settings;
  if (Object.keys(different).length > 0) {
    changes.push({
      description: `set ${Object.keys(different).join(', ')}`,
      run: (gateway) => gateway.call('PATCH', path, { body: different }),
    });
  }
  return changes;
}

/** Selects what makes two identity providers the same: entity ID, endpoints and certificates. */
const identityOf = (idp: Fields): unknown => [idp.entity_id, idp.single_sign_on, idp.single_logout, idp.certificates, idp.metadata_url];

function metadataRequest(file: OrganizationFile): CallOptions | undefined {
  const { metadata_file, metadata_xml, metadata_url, entity_id, sso_url, slo_url, certificates } = file.identity_provider ?? {};
  if (metadata_file !== undefined) {
    // The octets of the file, because its XML declaration may name an encoding other than UTF-8.
    const body = readFile(path.resolve(path.dirname(file.source), metadata_file));
    return { body, contentType: 'application/samlmetadata+xml', query: { entity_id } };
  }
  if (metadata_xml !== undefined) return { body: withoutUndefined({ metadata_xml, entity_id }) };
  if (metadata_url !== undefined) return { body: withoutUndefined({ metadata_url, entity_id }) };
  return sso_url === undefined ? undefined : { body: withoutUndefined({ entity_id, sso_url, slo_url, certificates }) };
}

const withoutUndefined = (fields: Fields): Fields => Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
const withoutNull = (fields: Fields): Fields => Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null));

const differences = (current: Fields, desired: Fields): Fields =>
  Object.fromEntries(Object.entries(desired).filter(([name, value]) => !isDeepStrictEqual(current[name], value)));

/** Applies the changes in order. @throws CommandError that names the first change that was refused */
/** @returns the texts of the warnings about the changes */
export async function applyPlan(client: Client, plan: Plan): Promise<string[]> {
  const warnings: string[] = [];
  for (const change of plan.changes) {
    try {
      const answer = await change.run(client);
      if (change.hasWarnings) warnings.push(...(answer as SavedRoleMapping).warnings.map(({ text }) => text));
    } catch (error) {
      if (!(error instanceof SamlgateError)) throw error;
      throw new CommandError(`${plan.slug}: could not ${change.description}. ${describeRefusal(error)}`, error.code);
    }
  }
  return warnings;
}

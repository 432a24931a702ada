/**
 * Writes an organization with a signed-in member into a store, with the gateway's own functions. For tests and benchmarks without a
 * browser, and for processes that can't compile pages.
 */
import type { Actor } from '../../src/audit.ts';
import { prepareSigningKeys } from '../../src/auth/keys/signing-keys.ts';
import { readConfig } from '../../src/config.ts';
import { hashOf, newId } from '../../src/ids.ts';
import { createLog } from '../../src/log.ts';
import { createMetrics } from '../../src/metrics.ts';
import { MEMBERS, type Member } from '../../src/organizations/members.ts';
import { createOrganization } from '../../src/organizations/organization-lifecycle.ts';
import { ORGANIZATION, ORGANIZATION_RECORD, type Organization } from '../../src/organizations/organizations.ts';
import type { Runtime } from '../../src/runtime.ts';
import { prepareSchema } from '../../src/schema/schema-version.ts';
import { createSecrets } from '../../src/secrets.ts';
import { openStore } from '../../src/store/open-store.ts';
import { updateRecord } from '../../src/store/update-record.ts';

export const OPERATOR: Actor = { kind: 'operator' };

/** Creates the runtime of a gateway without its HTTP server. Other processes may use the same store. */
export async function makeRuntime(environment: Readonly<Record<string, string>>, now: () => number = Date.now): Promise<Runtime> {
  const config = readConfig({ SAMLGATE_LOG_LEVEL: 'silent', ...environment });
  const runtime: Runtime = {
    config,
    store: await openStore(config.store, now),
    secrets: createSecrets(config.secret, config.previousSecret),
    log: createLog(config.logLevel),
    metrics: createMetrics(),
    now,
  };
  await prepareSchema(runtime);
  await prepareSigningKeys(runtime);
  return runtime;
}

/** Creates an organization. @param slug must be unique in the store */
export const seedOrganization = (runtime: Runtime, slug: string): Promise<Organization> =>
  createOrganization(runtime, OPERATOR, { slug, name: slug, domains: [], allowedReturnUrls: [] });

/** Creates a member, as after a sign-in. */
export async function seedMember(runtime: Runtime, organizationId: string, more: Partial<Member> = {}): Promise<Member> {
  const nowMs = runtime.now();
  const id = newId('usr');
  const member: Member = {
    id,
    identity: id,
    email: `${id}@example.com`,
    name: 'Ada Example',
    role: 'collaborator',
    roleSource: { kind: 'default' },
    groups: ['engineering', 'on-call'],
    groupsState: 'present',
    suspended: false,
    createdAt: new Date(nowMs).toISOString(),
    lastLoginAt: new Date(nowMs).toISOString(),
    sessions: [{ id: newId('ses'), createdAtMs: nowMs, endsAtMs: nowMs + 86_400_000 }],
    cliTokens: [],
    ...more,
  };
  const result = await runtime.store.commit(organizationId, [{ do: 'insert', collection: MEMBERS, id, value: member }]);
  if (!result.ok) throw new Error('The member could not be created.');
  return member;
}

/** Creates a member as earlier versions stored it, whose key has no format. By default, it is the key of the email address as NameID. */
export async function seedFormerMember(
  runtime: Runtime,
  { id }: Pick<Organization, 'id'>,
  { email = 'ada@x.example', form = ['NameID', email], ...more }: Partial<Member> & { readonly form?: readonly string[] } = {},
): Promise<Member> {
  const organization = await updateRecord(runtime.store, {
    partition: id,
    collection: ORGANIZATION,
    id: ORGANIZATION_RECORD,
    change: ({ connections: [first, ...others], ...rest }) => ({
      ...rest,
      connections: first ? [{ ...first, readsFormerKeys: true as const }, ...others] : [],
    }),
  });
  const scope = organization?.value.connections[0]?.identityScope ?? '';
  return seedMember(runtime, id, { identity: hashOf(scope, JSON.stringify(form)), email, ...more });
}

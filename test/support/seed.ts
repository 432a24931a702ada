/**
 * An organization with a member who has a session, written into a store by the gateway's own functions: for tests and
 * measurements that have no browser, and for processes that can't compile pages.
 */
import type { Actor } from '../../src/audit.ts';
import { prepareSigningKeys } from '../../src/auth/keys/signing-keys.ts';
import { readConfig } from '../../src/config.ts';
import { newId } from '../../src/ids.ts';
import { createLog } from '../../src/log.ts';
import { createMetrics } from '../../src/metrics.ts';
import { MEMBERS, type Member } from '../../src/organizations/members.ts';
import { createOrganization } from '../../src/organizations/organization-lifecycle.ts';
import type { Organization } from '../../src/organizations/organizations.ts';
import type { Runtime } from '../../src/runtime.ts';
import { createSecrets } from '../../src/secrets.ts';
import { openStore } from '../../src/store/open-store.ts';

export const OPERATOR: Actor = { kind: 'operator' };

/** A gateway without its HTTP side, on a store that others may use too. */
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
  await prepareSigningKeys(runtime);
  return runtime;
}

/** @param slug of an organization that nobody else has */
export const seedOrganization = (runtime: Runtime, slug: string): Promise<Organization> =>
  createOrganization(runtime, OPERATOR, { slug, name: slug, domains: [], allowedReturnUrls: [] });

/** A person who has just signed in. */
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
  const made = await runtime.store.commit(organizationId, [{ do: 'insert', collection: MEMBERS, id, value: member }]);
  if (!made.ok) throw new Error('the member could not be made');
  return member;
}

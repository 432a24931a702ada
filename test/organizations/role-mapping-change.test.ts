import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { Actor } from '../../src/audit.ts';
import { readAudit } from '../../src/audit-trail/read-audit.ts';
import { removeMember } from '../../src/organizations/member-changes.ts';
import { getOrganizationById } from '../../src/organizations/organizations.ts';
import { INITIAL_ROLE_MAPPING, type RoleMapping } from '../../src/organizations/role-mapping.ts';
import { changeRoleMapping } from '../../src/organizations/role-mapping-change.ts';
import { noOwnerReason } from '../../src/organizations/role-mapping-effect.ts';
import type { Runtime } from '../../src/runtime.ts';
import type { Store } from '../../src/store/store.ts';
import { newSlug } from '../support/new-slug.ts';
import { makeRuntime, OPERATOR, seedMember, seedOrganization } from '../support/seed.ts';

const ADMINS: RoleMapping = { rules: [{ group: 'admins', role: 'owner' }], defaultRole: 'collaborator' };
const CHIEFS: RoleMapping = { rules: [{ group: 'chiefs', role: 'owner' }], defaultRole: 'collaborator' };
const NO_RULES: RoleMapping = { rules: [], defaultRole: 'collaborator' };
const ALL_DENIED: RoleMapping = { rules: [], defaultRole: 'none' };
const ALL_OWNERS: RoleMapping = { rules: [], defaultRole: 'owner' };
const OWNER: Actor = { kind: 'member', id: 'usr_x' };

const BY_RULE = { role: 'owner', roleSource: { kind: 'rule', group: 'admins' }, groups: ['admins'] } as const;
const BY_HAND = { role: 'owner', roleSource: { kind: 'manual' }, groups: [] } as const;

let runtime: Runtime;
let organizationId: string;

beforeAll(async () => {
  runtime = await makeRuntime({
    SAMLGATE_STORE: 'sqlite::memory:',
    SAMLGATE_SECRET: Buffer.alloc(32, 7).toString('base64'),
    SAMLGATE_OPERATOR_TOKEN: 'x'.repeat(32),
  });
});
afterAll(() => runtime.store.close());

beforeEach(async () => {
  organizationId = (await seedOrganization(runtime, newSlug())).id;
});

const save = (roleMapping: RoleMapping, actor: Actor = OWNER, allowNoOwner = false) =>
  changeRoleMapping(runtime, actor, { organizationId, roleMapping, allowNoOwner });
const saved = async () => (await getOrganizationById(runtime.store, organizationId))?.roleMapping;
/** Puts a mapping in force, even one that leaves no owner. */
const start = (mapping: RoleMapping) => save(mapping, OPERATOR, true);

describe('rules without an owner', () => {
  it.each([
    ['no rules and no default role', ALL_DENIED],
    ['rules for collaborators only', { rules: [{ group: 'devs', role: 'collaborator' }], defaultRole: 'collaborator' } as const],
  ])('refuses %s in an organization without members', async (_what, mapping) => {
    await start(ADMINS);
    await expect(save(mapping)).rejects.toMatchObject({
      code: 'conflict',
      message: expect.stringContaining('neither a rule nor the default gives the owner role'),
    });
    expect(await saved()).toEqual(ADMINS);
  });

  it('refuses them to the operator as well, unless the operator confirms', async () => {
    await start(ADMINS);
    await expect(save(NO_RULES, OPERATOR)).rejects.toMatchObject({ code: 'conflict' });
    await save(NO_RULES, OPERATOR, true);
    expect(await saved()).toEqual(NO_RULES);
  });

  it('refuses the confirmation of anyone but the operator, even for rules with an owner', async () => {
    for (const mapping of [NO_RULES, CHIEFS]) {
      for (const kind of ['member', 'setup_link', 'identity_provider', 'gateway', 'anonymous'] as const) {
        await expect(save(mapping, { kind }, true)).rejects.toMatchObject({ code: 'forbidden' });
      }
    }
    expect(await saved()).toEqual(INITIAL_ROLE_MAPPING);
  });

  it.each([
    ['a rule', ADMINS],
    ['the default role', ALL_OWNERS],
  ])('accepts rules that make new users owners by %s', async (_what, mapping) => {
    await save(mapping);
    expect(await saved()).toEqual(mapping);
  });

  it('accepts rules that are in force already', async () => {
    await start(ALL_DENIED);
    await save(ALL_DENIED);
    expect(await saved()).toEqual(ALL_DENIED);
  });

  it('accepts rules under which a manually set owner stays owner, but not with a default role that denies access', async () => {
    await seedMember(runtime, organizationId, BY_HAND);
    await save({ rules: [{ group: 'devs', role: 'collaborator' }], defaultRole: 'collaborator' });
    await expect(save(ALL_DENIED)).rejects.toMatchObject({ code: 'conflict' });
  });

  it('does not count a manually set owner if suspended', async () => {
    await seedMember(runtime, organizationId, { ...BY_HAND, suspended: true });
    await expect(save({ ...NO_RULES, rules: [{ group: 'devs', role: 'collaborator' }] })).rejects.toMatchObject({ code: 'conflict' });
  });
});

describe('rules that take the owner role from every member', () => {
  beforeEach(async () => {
    await start(ADMINS);
    await seedMember(runtime, organizationId, BY_RULE);
  });

  it('refuses them if the organization has an owner', async () => {
    await expect(save(CHIEFS)).rejects.toMatchObject({
      code: 'conflict',
      message: expect.stringContaining('no member was in a group with the owner role'),
    });
    expect(await saved()).toEqual(ADMINS);
  });

  it('accepts them if another member becomes an owner', async () => {
    await seedMember(runtime, organizationId, { groups: ['chiefs'] });
    await save(CHIEFS);
    expect(await saved()).toEqual(CHIEFS);
  });

  it('does not count a suspended member', async () => {
    await seedMember(runtime, organizationId, { groups: ['chiefs'], suspended: true });
    await expect(save(CHIEFS)).rejects.toMatchObject({ code: 'conflict' });
  });

  it('does not count the members of another organization', async () => {
    const other = await seedOrganization(runtime, newSlug());
    await seedMember(runtime, other.id, { groups: ['chiefs'] });
    await expect(save(CHIEFS)).rejects.toMatchObject({ code: 'conflict' });
  });

  it('accepts them in an organization that has no owner to lose', async () => {
    organizationId = (await seedOrganization(runtime, newSlug())).id;
    await seedMember(runtime, organizationId);
    await save(CHIEFS);
    expect(await saved()).toEqual(CHIEFS);
  });

  it('accepts them if not all members could be read', () => {
    const unknown = { ownersBefore: 1, ownersAfter: 0, isPartial: true };
    expect([noOwnerReason(ADMINS, CHIEFS, unknown), noOwnerReason(ADMINS, ALL_DENIED, unknown)]).toEqual([undefined, 'no_owner_rule']);
  });
});

it('records in the audit trail that the operator confirmed, if that was needed', async () => {
  await save(ADMINS, OPERATOR, true);
  await save(NO_RULES, OPERATOR, true);
  const { items } = await readAudit(runtime.store, organizationId, { limit: 10, event: 'role_mapping.changed' });
  expect(items.map(({ value }) => value.details)).toEqual([
    { rules: [], default_role: 'collaborator', added: [], removed: ADMINS.rules, allow_no_owner: true },
    { rules: ADMINS.rules, default_role: 'collaborator', added: ADMINS.rules, removed: [] },
  ]);
});

it('stores at most 2 kB of a long change in the audit trail, and which rules were added and removed', async () => {
  const many = Array.from({ length: 500 }, (_, i) => ({ group: `${i} ${'g'.repeat(90)}`, role: 'collaborator' as const }));
  const [first, ...rest] = many;
  const added = { group: 'new', role: 'collaborator' } as const;
  await save({ rules: many, defaultRole: 'collaborator' }, OPERATOR, true);
  await save({ rules: [...rest, added], defaultRole: 'collaborator' }, OPERATOR, true);
  const { items } = await readAudit(runtime.store, organizationId, { limit: 10, event: 'role_mapping.changed' });
  for (const { value } of items) expect(Buffer.byteLength(JSON.stringify(value.details))).toBeLessThanOrEqual(2048);
  expect(items[0]?.value.details).toMatchObject({ added: [added], removed: [first] });
});

it('checks the members again if an owner is removed while the rules are saved', async () => {
  await start(ADMINS);
  await seedMember(runtime, organizationId, BY_RULE);
  const mia = await seedMember(runtime, organizationId, BY_HAND);
  const store = runtime.store as { commit: Store['commit'] };
  const { commit } = store;
  store.commit = async (...args) => {
    store.commit = commit;
    await removeMember(runtime, OPERATOR, { organizationId, memberId: mia.id });
    return commit.apply(store, args);
  };
  await expect(save(NO_RULES)).rejects.toMatchObject({ code: 'conflict' });
  expect(await saved()).toEqual(ADMINS);
});

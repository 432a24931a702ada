/** Reads whose length depends on the number of members: they are bounded, let other work run, and end with their client. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { newConnection } from '../../src/organizations/connections/connections.ts';
import { previewIdentifier } from '../../src/organizations/identity/identifier-setting.ts';
import { type IdentifierTable, readIdentifierTable } from '../../src/organizations/idp-change/identifier-table.ts';
import { previewChange } from '../../src/organizations/idp-change/preview-change.ts';
import { listMembers } from '../../src/organizations/member-list.ts';
import { MEMBERS, type Member } from '../../src/organizations/members.ts';
import { ORGANIZATION, ORGANIZATION_RECORD, type Organization } from '../../src/organizations/organizations.ts';
import { foreseeRoles } from '../../src/organizations/role-mapping-effect.ts';
import { createSelfSignedCertificate } from '../../src/saml/metadata/self-signed-certificate.ts';
import { openStore } from '../../src/store/open-store.ts';
import type { Step, Store } from '../../src/store/store.ts';
import { countTurns } from '../support/count-turns.ts';

/** One more than a preview reads. */
const COUNT = 20_001;
const PAGES = 100;
const ORG = 'org_large';

const METADATA = { entityId: 'https://idp.example', ssoUrl: 'https://idp.example/sso', signingCertificates: [] };
const CONNECTION = {
  ...newConnection({ name: 'Default', state: 'active', metadata: METADATA as never }, 0),
  readsFormerKeys: true,
} as const;
const ROLES = { rules: [{ group: 'admins', role: 'owner' }], defaultRole: 'collaborator' } as const;

function memberOf(n: number): Member {
  const id = `usr_${String(n).padStart(20, '0')}`;
  return {
    id,
    identity: id,
    email: `${String(n).padStart(6, '0')}@example.com`,
    name: n === COUNT - 1 ? 'The Last Member' : 'Ada Example',
    role: 'collaborator',
    roleSource: { kind: 'default' },
    groups: ['engineering'],
    groupsState: 'present',
    suspended: false,
    createdAt: '2026-01-01T00:00:00Z',
    lastLoginAt: '2026-01-01T00:00:00Z',
    sessions: [],
    cliTokens: [],
  };
}

describe('in an organization with more than 20,000 members', () => {
  let store: Store;
  const organization = { id: ORG, slug: 'large', connections: [CONNECTION], roleMapping: ROLES } as unknown as Organization;

  beforeAll(async () => {
    store = await openStore('sqlite::memory:');
    await store.commit(ORG, [{ do: 'insert', collection: ORGANIZATION, id: ORGANIZATION_RECORD, value: organization }]);
    for (let start = 0; start < COUNT; start += 1000) {
      const members = Array.from({ length: Math.min(1000, COUNT - start) }, (_, i) => memberOf(start + i));
      await store.commit(
        ORG,
        members.map((value): Step => ({ do: 'insert', collection: MEMBERS, id: value.id, value })),
      );
    }
  });
  afterAll(() => store.close());

  it('compares the longest table of identifiers in parts', async () => {
    const rows = Array.from({ length: 60_000 }, (_, n) => `o${n},n${n}`);
    const csv = ['old_identifier,new_identifier', ...rows].join('\n');
    let table: IdentifierTable | undefined;
    const reading = await countTurns(async () => {
      table = await readIdentifierTable(csv);
    });
    // The fields, and each column for repeated identifiers.
    expect(reading).toBeGreaterThanOrEqual(3 * 59);
    const change = { organization, connection: CONNECTION, decision: 'keep' } as const;
    const plain = await countTurns(() => previewChange(store, change, 0));
    const compared = await countTurns(() => previewChange(store, { ...change, table }, 0));
    // The folded identifiers, the taken identifiers and the results.
    expect(compared - plain).toBeGreaterThanOrEqual(3 * 59);
  });

  it('reads a table with all values in one line in parts', async () => {
    const csv = `old_identifier,new_identifier\n${'a,'.repeat(400_000)}a`;
    const turns = await countTurns(() => expect(readIdentifierTable(csv)).rejects.toMatchObject({ code: 'validation_failed' }));
    expect(turns).toBeGreaterThanOrEqual(100);
  });

  const identifierPreview = (signal?: AbortSignal) =>
    previewIdentifier(store, ORG, { connection: CONNECTION, setting: { attribute: 'uid' }, signal });
  const search = (cursor?: string, signal?: AbortSignal) => listMembers(store, ORG, { query: 'last MEMBER', limit: 50, cursor, signal });

  it('searches 1,000 members per call, and finds the last one with the cursors', async () => {
    let page = await search();
    let calls = 1;
    for (; page.items.length === 0 && page.nextCursor !== null; calls++) page = await search(page.nextCursor);
    expect(page.items.map(({ value }) => value.name)).toEqual(['The Last Member']);
    expect(page.nextCursor).toBeNull();
    expect(calls).toBe(Math.ceil(COUNT / 1000));
  });

  it('previews an identifier for the first 20,000 members, and says that there are more', async () => {
    expect(await identifierPreview()).toEqual({ affected: 0, suspended: 0, undetermined: 20_000, isPartial: true });
  });

  it('previews role rules for the first 20,000 members, and says that there are more', async () => {
    expect(await foreseeRoles(store, { organization, mapping: ROLES })).toMatchObject({ members: 20_000, isPartial: true });
  });

  it('lets other work run between the pages', async () => {
    expect(await countTurns(() => search())).toBeGreaterThanOrEqual(4);
    expect(await countTurns(() => identifierPreview())).toBeGreaterThanOrEqual(PAGES - 1);
    expect(await countTurns(() => foreseeRoles(store, { organization, mapping: ROLES }))).toBeGreaterThanOrEqual(PAGES - 1);
  });

  it('lets other work run between the pages of several reads', async () => {
    let turns = 0;
    const reads = Promise.all(Array.from({ length: 5 }, () => foreseeRoles(store, { organization, mapping: ROLES })));
    turns = await countTurns(() => reads);
    expect(turns).toBeGreaterThanOrEqual(5 * (PAGES - 1));
  });

  it.each([
    ['search', (signal: AbortSignal) => search(undefined, signal)],
    ['identifier preview', identifierPreview],
    ['role preview', (signal: AbortSignal) => foreseeRoles(store, { organization, mapping: ROLES, signal })],
  ])('ends a %s when its signal is aborted', async (_name, read) => {
    const client = new AbortController();
    const reading = read(client.signal);
    setImmediate(() => client.abort(new Error('the client is gone')));
    await expect(reading).rejects.toThrow('the client is gone');
  });
});

it('lets other work run while the key pair of a new organization is created', async () => {
  const create = () => createSelfSignedCertificate({ commonName: 'test only', days: 1, nowMs: Date.now() });
  expect(await countTurns(create)).toBeGreaterThan(20);
});

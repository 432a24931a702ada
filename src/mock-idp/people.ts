/** The users of each mock identity provider. All names and IDs are fictitious. */

/** A user of a mock identity provider. */
export interface Person {
  /** Identifies the person in URLs and forms of the mock identity provider. */
  readonly key: string;
  /** What the person is an example of, shown in lists. */
  readonly about: string;
  /** The same in one to three words. */
  readonly label: string;
  readonly firstName: string;
  readonly lastName: string;
  readonly email: string;
  /** Name in the directory. For guests of Entra ID it is not the email address. */
  readonly username: string;
  /** Identifier that never changes and is never reassigned (Entra ID: objectidentifier). */
  readonly objectId: string;
  /** Home tenant of a guest of Entra ID. */
  readonly homeTenantId?: string;
  /** All groups of the person in the directory, written as in this product's responses. */
  readonly groups: readonly string[];
}

/** Fictitious tenants of Entra ID. */
export const ENTRA_TENANT_ID = '7b1d4f0e-2c35-4a86-9e57-0c8d3f6a1b42';
export const ENTRA_PARTNER_TENANT_ID = 'c64a90d3-8e1f-4b27-a5d8-913e7f02b6c1';

/** Fictitious object IDs of groups. By default, responses of Entra ID contain object IDs and no group names. */
export const ENTRA_GROUP_IDS = {
  'platform-admins': '3f2a6c1e-58d4-4b90-8c7a-1e9d05b4f6a3',
  engineering: 'a81e5d27-0c49-4f63-b2d1-6f7c380e9b54',
} as const;

/** A group that the identity provider can push. Responses contain the name at Okta, and the object ID at Entra ID. */
export interface PeopleGroup {
  readonly name: string;
  readonly objectId: string;
}

/** Okta never pushes Everyone. */
export const OKTA_GROUPS: readonly PeopleGroup[] = [
  { name: 'platform-admins', objectId: '00g1admins00example697' },
  { name: 'engineering', objectId: '00g2engineering0ex0697' },
];

export const ENTRA_GROUPS: readonly PeopleGroup[] = Object.entries(ENTRA_GROUP_IDS).map(([name, objectId]) => ({ name, objectId }));

type Basics = Pick<Person, 'key' | 'about' | 'label' | 'firstName' | 'lastName' | 'objectId' | 'groups'>;

const ADMIN = {
  key: 'olivia',
  about: 'administrator, in platform-admins',
  label: 'administrator',
  firstName: 'Olivia',
  lastName: 'Okafor',
};
const ORDINARY = { key: 'carl', about: 'ordinary user, in engineering', label: 'ordinary user', firstName: 'Carl', lastName: 'Čapek' };
const GROUPLESS = { key: 'nina', label: 'no groups', firstName: 'Nina', lastName: 'Nuñez' };

const at =
  (domain: string) =>
  (basics: Basics): Person => {
    const email = `${basics.key}@${domain}`;
    return { ...basics, email, username: email };
  };

export const OKTA_PEOPLE: readonly Person[] = [
  { ...ADMIN, objectId: '00u1olivia0example697', groups: ['Everyone', 'platform-admins', 'engineering'] },
  { ...ORDINARY, objectId: '00u2carl00example0697', groups: ['Everyone', 'engineering'] },
  {
    ...GROUPLESS,
    about: 'no group matches the filter, so the attribute is missing',
    objectId: '00u3nina00example0697',
    groups: ['Everyone'],
  },
].map(at('okta.acme.example'));

export const ENTRA_PEOPLE: readonly Person[] = [
  ...[
    {
      ...ADMIN,
      objectId: '0d9c2b71-4e6f-4a15-8b3c-5f20e7a9d814',
      groups: [ENTRA_GROUP_IDS['platform-admins'], ENTRA_GROUP_IDS.engineering],
    },
    { ...ORDINARY, objectId: '41f7e0a6-93b8-4c5d-a2e1-7d60c94f3b28', groups: [ENTRA_GROUP_IDS.engineering] },
    { ...GROUPLESS, about: 'in no group, so the claim is missing', objectId: '86b3d5f2-1a7c-4e09-95d4-c0e82f6b7a13', groups: [] },
    {
      key: 'oscar',
      about: 'in 151 groups including platform-admins, so a link is sent instead of the groups',
      label: 'too many groups',
      firstName: 'Oscar',
      lastName: 'Overby',
      objectId: 'd27a48e9-6c0b-4f31-8e95-b3a1709d5c64',
      groups: [ENTRA_GROUP_IDS['platform-admins'], ...manyGroupIds(150)],
    },
  ].map(at('entra.acme.example')),
  {
    key: 'ada',
    about: 'guest from another tenant, in engineering',
    label: 'guest',
    firstName: 'Ada',
    lastName: 'Adeyemi',
    email: 'ada@corp.example',
    username: 'ada_corp.example#EXT#@acmeexample.onmicrosoft.com',
    objectId: 'f5e01c83-7d42-4a9b-b6f0-28c9d4e73a15',
    homeTenantId: ENTRA_PARTNER_TENANT_ID,
    groups: [ENTRA_GROUP_IDS.engineering],
  },
];

export const GOOGLE_PEOPLE: readonly Person[] = [
  { ...ADMIN, objectId: '100000000000000000001', groups: ['platform-admins', 'engineering'] },
  { ...ORDINARY, objectId: '100000000000000000002', groups: ['engineering'] },
  { ...GROUPLESS, about: 'in none of the selected groups, so the attribute is missing', objectId: '100000000000000000003', groups: [] },
].map(at('google.acme.example'));

function manyGroupIds(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `9e4b7a20-5c1d-4f86-a3e9-${(index + 1).toString(16).padStart(12, '0')}`);
}

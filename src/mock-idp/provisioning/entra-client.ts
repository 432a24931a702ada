/** The provisioning of Microsoft Entra ID, with or without the flag `aadOptscim062020` in the tenant URL. */
import { randomUUID } from 'node:crypto';
import { type DirectoryGroup, type DirectoryUser, KnownIds, notAssigned, notPushed, type ProvisioningClient } from './directory.ts';
import { ENTERPRISE_SCHEMA, GROUP_SCHEMA, idOf, resourcePath, ScimRequests, type ScimTarget, USER_SCHEMA } from './scim-requests.ts';

const ENTRA_GROUP_SCHEMA = 'http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group';

export interface EntraOptions {
  /** Whether the tenant URL has the flag `aadOptscim062020`, which brings requests closer to the standard. */
  readonly flag?: boolean;
  /** The attribute that Entra ID searches before it creates a user. */
  readonly matching?: 'userName' | 'externalId' | 'email';
}

export class EntraClient implements ProvisioningClient {
  readonly #requests: ScimRequests;
  readonly #flag: boolean;
  readonly #matching: NonNullable<EntraOptions['matching']>;
  readonly #users = new KnownIds();
  readonly #groups = new KnownIds();
  /** The attributes that were sent last, by the object id. Entra ID sends only changes. */
  readonly #sent = new Map<string, ReadonlyMap<string, string>>();

  constructor(target: ScimTarget, { flag = false, matching = 'userName' }: EntraOptions = {}) {
    this.#flag = flag;
    this.#matching = matching;
    this.#requests = new ScimRequests(target, {
      headers: { accept: 'application/scim+json' },
      contentType: 'application/scim+json; charset=utf-8',
      encodeQuery: (value) => encodeURIComponent(value).replaceAll('%20', '+'),
    });
  }

  get exchanges() {
    return this.#requests.exchanges;
  }

  /** Asks for a user and a group that do not exist. */
  async testConnection(): Promise<void> {
    await this.#requests.get('/Users', { filter: `userName eq "${randomUUID()}"` });
    await this.#requests.get('/Groups', { excludedAttributes: 'members', filter: `displayName eq "${randomUUID()}"` });
  }

  async assign(user: DirectoryUser): Promise<string> {
    const found = await this.#requests.findFirst('/Users', { filter: this.#matchingFilter(user) });
    if (found === undefined) {
      const id = this.#users.set(user.objectId, idOf(await this.#requests.post('/Users', newUser(user))));
      const { managerId: _, ...sent } = user;
      this.#sent.set(user.objectId, attributesOf(sent));
      return id;
    }
    this.#users.set(user.objectId, found.id);
    this.#sent.delete(user.objectId);
    await this.#change(user, this.#activeOperation(true));
    return found.id;
  }

  async update(user: DirectoryUser): Promise<void> {
    await this.#change(user);
  }

  async unassign(user: DirectoryUser): Promise<void> {
    await this.#requests.patch(resourcePath('/Users', await this.#userId(user)), this.#activeOperation(false));
  }

  async remove(user: DirectoryUser): Promise<void> {
    await this.#requests.delete(resourcePath('/Users', await this.#userId(user)));
    this.#users.delete(user.objectId);
    this.#sent.delete(user.objectId);
  }

  async findAssigned(users: readonly DirectoryUser[]): Promise<void> {
    for (const user of users) {
      const found = await this.#requests.findFirst('/Users', { filter: this.#matchingFilter(user) });
      if (found?.active === true) this.#users.set(user.objectId, found.id);
    }
  }

  async pushGroup(group: DirectoryGroup): Promise<string> {
    const query = { excludedAttributes: 'members', filter: `displayName eq ${quoted(group.name)}` };
    const found = await this.#requests.findFirst('/Groups', query);
    const created = {
      schemas: [GROUP_SCHEMA, ENTRA_GROUP_SCHEMA],
      externalId: group.objectId,
      displayName: group.name,
      meta: { resourceType: 'Group' },
    };
    const id = this.#groups.set(group.objectId, found?.id ?? idOf(await this.#requests.post('/Groups', created)));
    await this.#requests.get(resourcePath('/Groups', id), { excludedAttributes: 'members' });
    await this.changeMembers(group, { add: group.members });
    return id;
  }

  async changeMembers(group: DirectoryGroup, { add = [], remove = [] }: Parameters<ProvisioningClient['changeMembers']>[1]) {
    const path = resourcePath('/Groups', this.#groupId(group));
    const value = this.#users.assigned(add).map(({ id }) => ({ $ref: null, value: id }));
    if (value.length > 0) await this.#requests.patch(path, { op: 'Add', path: 'members', value });
    for (const { id } of this.#users.assigned(remove)) {
      const removal = this.#flag ? { path: `members[value eq ${quoted(id)}]` } : { path: 'members', value: [{ $ref: null, value: id }] };
      await this.#requests.patch(path, { op: 'Remove', ...removal });
    }
  }

  async renameGroup(group: DirectoryGroup): Promise<void> {
    const path = resourcePath('/Groups', this.#groupId(group));
    await this.#requests.patch(path, { op: 'Replace', path: 'displayName', value: group.name });
  }

  async deleteGroup(group: DirectoryGroup): Promise<void> {
    await this.#requests.delete(resourcePath('/Groups', this.#groupId(group)));
    this.#groups.delete(group.objectId);
  }

  #matchingFilter({ username, objectId, email }: DirectoryUser): string {
    if (this.#matching === 'externalId') return `externalId eq ${quoted(objectId)}`;
    if (this.#matching === 'email') return `emails[type eq "work"].value eq ${quoted(email)}`;
    return `userName eq ${quoted(username)}`;
  }

  /** Without the flag, Entra ID sends booleans as text. */
  #activeOperation(active: boolean) {
    return { op: 'Replace', path: 'active', value: this.#flag ? active : active ? 'True' : 'False' };
  }

  async #change(user: DirectoryUser, ...first: readonly unknown[]): Promise<void> {
    const id = await this.#userId(user);
    await this.#requests.get(resourcePath('/Users', id));
    const next = attributesOf(user);
    const operations = [...first, ...this.#operations(this.#sent.get(user.objectId), next)];
    if (operations.length > 0) await this.#requests.patch(resourcePath('/Users', id), ...operations);
    this.#sent.set(user.objectId, next);
  }

  #operations(before: ReadonlyMap<string, string> | undefined, next: ReadonlyMap<string, string>): readonly unknown[] {
    const changed = [...next].filter(([path, value]) => before?.get(path) !== value);
    const removed = [...(before?.keys() ?? [])].filter((path) => !next.has(path)).map((path) => ({ op: 'Remove', path }));
    const opFor = (path: string) => (before !== undefined && !before.has(path) ? 'Add' : 'Replace');
    if (!this.#flag) return [...changed.map(([path, value]) => ({ op: opFor(path), path, value })), ...removed];
    const plain = changed.filter(([path]) => !path.includes('['));
    const filtered = changed.filter(([path]) => path.includes('['));
    return [
      ...(plain.length === 0 ? [] : [{ op: 'Replace', value: Object.fromEntries(plain) }]),
      ...filtered.map(([path, value]) => ({ op: opFor(path), path, value })),
      ...removed,
    ];
  }

  /** Entra ID knows the id of everyone it has assigned. After a restart, this client searches. */
  async #userId(user: DirectoryUser): Promise<string> {
    const known = this.#users.get(user.objectId) ?? (await this.#requests.findFirst('/Users', { filter: this.#matchingFilter(user) }))?.id;
    if (known === undefined) throw notAssigned(user.username);
    return this.#users.set(user.objectId, known);
  }

  #groupId({ objectId, name }: DirectoryGroup): string {
    const known = this.#groups.get(objectId);
    if (known === undefined) throw notPushed(name);
    return known;
  }
}

const quoted = (text: string): string => JSON.stringify(text);

/** Returns the target attributes of the mapping, as PATCH paths. */
function attributesOf({ username, firstName, lastName, email, objectId, department, employeeNumber, managerId }: DirectoryUser) {
  const pairs: readonly (readonly [string, string | undefined])[] = [
    ['userName', username],
    ['displayName', `${firstName} ${lastName}`],
    ['emails[type eq "work"].value', email],
    ['name.givenName', firstName],
    ['name.familyName', lastName],
    ['name.formatted', `${firstName} ${lastName}`],
    ['externalId', objectId],
    [`${ENTERPRISE_SCHEMA}:department`, department],
    [`${ENTERPRISE_SCHEMA}:employeeNumber`, employeeNumber],
    [`${ENTERPRISE_SCHEMA}:manager`, managerId],
  ];
  return new Map(pairs.flatMap(([path, value]) => (value === undefined ? [] : [[path, value] as const])));
}

/** The manager is missing, because Entra ID sends references to other users later, in a PATCH request. */
const newUser = ({ username, firstName, lastName, email, objectId, department, employeeNumber }: DirectoryUser) => ({
  schemas: [USER_SCHEMA, ENTERPRISE_SCHEMA],
  externalId: objectId,
  userName: username,
  active: true,
  displayName: `${firstName} ${lastName}`,
  emails: [{ primary: true, type: 'work', value: email }],
  meta: { resourceType: 'User' },
  name: { formatted: `${firstName} ${lastName}`, familyName: lastName, givenName: firstName },
  roles: [],
  [ENTERPRISE_SCHEMA]: {
    ...(department === undefined ? {} : { department }),
    ...(employeeNumber === undefined ? {} : { employeeNumber }),
  },
});

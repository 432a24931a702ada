/** The provisioning of Okta, with the requests of its catalogue apps or of custom apps (App Integration Wizard). */
import { randomBytes } from 'node:crypto';
import { type DirectoryGroup, type DirectoryUser, KnownIds, notAssigned, notPushed, type ProvisioningClient } from './directory.ts';
import { GROUP_SCHEMA, idOf, resourcePath, ScimRequests, type ScimResource, type ScimTarget, USER_SCHEMA } from './scim-requests.ts';

export interface OktaOptions {
  /** Custom apps replace a whole resource with PUT where catalogue apps send PATCH. */
  readonly app: 'catalogue' | 'custom';
}

export class OktaClient implements ProvisioningClient {
  readonly #requests: ScimRequests;
  readonly #isCustom: boolean;
  readonly #users = new KnownIds();
  readonly #groups = new KnownIds();

  constructor(target: ScimTarget, { app }: OktaOptions = { app: 'catalogue' }) {
    this.#isCustom = app === 'custom';
    this.#requests = new ScimRequests(target, {
      headers: { 'user-agent': 'Okta SCIM Client 1.0.0', accept: 'application/scim+json', 'accept-charset': 'utf-8' },
      contentType: this.#isCustom ? 'application/scim+json; charset=utf-8' : 'application/json',
      encodeQuery: encodeURIComponent,
    });
  }

  get exchanges() {
    return this.#requests.exchanges;
  }

  async testConnection(): Promise<void> {
    await this.#requests.get('/Users', { startIndex: '1', count: '2' });
  }

  async assign(user: DirectoryUser): Promise<string> {
    const found = await this.#requests.findFirst('/Users', page(`userName eq ${quoted(user.username)}`));
    if (found === undefined) return this.#users.set(user.objectId, idOf(await this.#requests.post('/Users', newUser(user))));
    this.#users.set(user.objectId, found.id);
    if (!this.#isCustom) await this.#setActive(user, true);
    await this.#replaceUser(user, true);
    return found.id;
  }

  async update(user: DirectoryUser): Promise<void> {
    await this.#replaceUser(user, true);
  }

  async unassign(user: DirectoryUser): Promise<void> {
    if (this.#isCustom) await this.#replaceUser(user, false);
    else await this.#setActive(user, false);
  }

  /** Okta never deletes users. */
  async remove(user: DirectoryUser): Promise<void> {
    await this.unassign(user);
  }

  async findAssigned(users: readonly DirectoryUser[]): Promise<void> {
    for (const { objectId, username } of users) {
      const found = await this.#requests.findFirst('/Users', page(`userName eq ${quoted(username)}`));
      if (found?.active === true) this.#users.set(objectId, found.id);
    }
  }

  async pushGroup(group: DirectoryGroup): Promise<string> {
    const found = await this.#requests.findFirst('/Groups', page(`displayName eq ${quoted(group.name)}`));
    const created = { schemas: [GROUP_SCHEMA], displayName: group.name, members: [] };
    const id = this.#groups.set(group.objectId, found?.id ?? idOf(await this.#requests.post('/Groups', created)));
    await this.#replaceMembers(group);
    return id;
  }

  async changeMembers(group: DirectoryGroup, { add = [], remove = [] }: Parameters<ProvisioningClient['changeMembers']>[1]) {
    if (this.#isCustom) return this.#replaceMembers(group);
    const id = await this.#groupId(group);
    const removed = this.#users.assigned(remove).map((each) => ({ op: 'remove', path: `members[value eq ${quoted(each.id)}]` }));
    const added = this.#membersOf(add);
    await this.#requests.patch(
      resourcePath('/Groups', id),
      { op: 'replace', value: { id, displayName: group.name } },
      ...removed,
      ...(added.length === 0 ? [] : [{ op: 'add', path: 'members', value: added }]),
    );
  }

  async renameGroup(group: DirectoryGroup): Promise<void> {
    if (this.#isCustom) return this.#replaceMembers(group);
    const id = await this.#groupId(group);
    await this.#requests.patch(resourcePath('/Groups', id), { op: 'replace', value: { id, displayName: group.name } });
  }

  async deleteGroup(group: DirectoryGroup): Promise<void> {
    await this.#requests.delete(resourcePath('/Groups', await this.#groupId(group)));
    this.#groups.delete(group.objectId);
  }

  async #replaceMembers(group: DirectoryGroup): Promise<void> {
    const id = await this.#groupId(group);
    const members = this.#membersOf(group.members);
    const path = resourcePath('/Groups', id);
    if (this.#isCustom) await this.#requests.put(path, { schemas: [GROUP_SCHEMA], id, displayName: group.name, members });
    else await this.#requests.patch(path, { op: 'replace', path: 'members', value: members });
  }

  #membersOf(users: readonly DirectoryUser[]) {
    return this.#users.assigned(users).map(({ id, user }) => ({ value: id, display: user.username }));
  }

  async #setActive(user: DirectoryUser, active: boolean): Promise<void> {
    const { id } = await this.#readUser(user);
    await this.#requests.patch(resourcePath('/Users', id), { op: 'replace', value: { active } });
  }

  async #replaceUser(user: DirectoryUser, active: boolean): Promise<void> {
    const { id } = await this.#readUser(user);
    const { password: _, ...attributes } = newUser(user);
    await this.#requests.put(resourcePath('/Users', id), { ...attributes, id, active, meta: { resourceType: 'User' } });
  }

  /** Okta reads a user before each change. It knows the id of everyone it has assigned; after a restart, this client searches. */
  async #readUser({ objectId, username }: DirectoryUser): Promise<ScimResource> {
    const known = this.#users.get(objectId) ?? (await this.#requests.findFirst('/Users', page(`userName eq ${quoted(username)}`)))?.id;
    if (known === undefined) throw notAssigned(username);
    this.#users.set(objectId, known);
    return (await this.#requests.get(resourcePath('/Users', known))).received as ScimResource;
  }

  async #groupId({ objectId, name }: DirectoryGroup): Promise<string> {
    const known = this.#groups.get(objectId);
    if (known === undefined) throw notPushed(name);
    return known;
  }
}

const quoted = (text: string): string => JSON.stringify(text);

const page = (filter: string) => ({ filter, startIndex: '1', count: '100' });

const newUser = ({ username, firstName, lastName, email, objectId }: DirectoryUser) => ({
  schemas: [USER_SCHEMA],
  userName: username,
  name: { givenName: firstName, familyName: lastName },
  emails: [{ primary: true, value: email, type: 'work' }],
  displayName: `${firstName} ${lastName}`,
  locale: 'en-US',
  externalId: objectId,
  groups: [],
  password: randomBytes(9).toString('base64url'),
  active: true,
});

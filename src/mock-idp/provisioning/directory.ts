/** What the provisioning clients push. */
import type { PeopleGroup, Person } from '../people.ts';
import { MockIdpRefusal } from '../refusal.ts';
import type { ScimExchange } from './scim-requests.ts';

/** A user of the directory, with attributes that only provisioning sends. */
export interface DirectoryUser extends Person {
  readonly department?: string;
  readonly employeeNumber?: string;
  /** SCIM id of the manager. */
  readonly managerId?: string;
}

export interface DirectoryGroup {
  /** Never changes. */
  readonly objectId: string;
  readonly name: string;
  /** Only those who were assigned are pushed. */
  readonly members: readonly DirectoryUser[];
}

/** Returns groups with their members among the people of the directory. */
export const withMembers = (groups: readonly PeopleGroup[], people: readonly Person[]): readonly DirectoryGroup[] =>
  groups.map(({ name, objectId }) => ({
    name,
    objectId,
    members: people.filter((person) => person.groups.includes(name) || person.groups.includes(objectId)),
  }));

/** What an administrator does at an identity provider that provisions users. Each method throws ScimRefusal or MockIdpRefusal. */
export interface ProvisioningClient {
  /** Everything sent so far, in order. */
  readonly exchanges: readonly ScimExchange[];
  testConnection(): Promise<void>;
  /** Creates the user, or finds and activates it. Returns the id at the gateway. */
  assign(user: DirectoryUser): Promise<string>;
  update(user: DirectoryUser): Promise<void>;
  /** Deactivates the user: at unassignment, suspension and soft deletion. */
  unassign(user: DirectoryUser): Promise<void>;
  /** Deletes the user in the directory for good. */
  remove(user: DirectoryUser): Promise<void>;
  /**
   * Searches the users who were assigned and not unassigned since. An identity provider knows them; a new client pushes groups with
   * these members only after it has searched them.
   */
  findAssigned(users: readonly DirectoryUser[]): Promise<void>;
  /** Creates the group, or finds it, and sends its members. Returns the id at the gateway. */
  pushGroup(group: DirectoryGroup): Promise<string>;
  /** @param group the group after the change */
  changeMembers(
    group: DirectoryGroup,
    change: { readonly add?: readonly DirectoryUser[]; readonly remove?: readonly DirectoryUser[] },
  ): Promise<void>;
  renameGroup(group: DirectoryGroup): Promise<void>;
  deleteGroup(group: DirectoryGroup): Promise<void>;
}

/** The ids at the gateway, by the object id in the directory. */
export class KnownIds {
  readonly #ids = new Map<string, string>();

  set(objectId: string, id: string): string {
    this.#ids.set(objectId, id);
    return id;
  }

  get(objectId: string): string | undefined {
    return this.#ids.get(objectId);
  }

  delete(objectId: string): void {
    this.#ids.delete(objectId);
  }

  /** Returns the ids of those who were assigned, with their user. */
  assigned(users: readonly DirectoryUser[]): readonly { readonly id: string; readonly user: DirectoryUser }[] {
    return users.flatMap((user) => {
      const id = this.#ids.get(user.objectId);
      return id === undefined ? [] : [{ id, user }];
    });
  }
}

export const notAssigned = (username: string): MockIdpRefusal =>
  new MockIdpRefusal(`${username} is not assigned to the application. Provision the user first.`);

export const notPushed = (name: string): MockIdpRefusal => new MockIdpRefusal(`The group ${name} is not pushed. Push it first.`);

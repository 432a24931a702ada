/**
 * Applies organization files: compares them with the gateway and makes the API calls that remove the differences.
 *
 * Nothing is changed if the gateway would refuse a part of the file. A new organization and new connections are created first,
 * because the rest can only be checked when they exist. Users cannot sign in through a draft, so they are deleted again if a check
 * fails. Connections become active last, when their settings and the role rules are in place.
 */
import { isDeepStrictEqual } from 'node:util';
import type { IdentityProvider, RoleMapping, SavedRoleMapping } from '../../client/api-types.ts';
import type { Client } from '../../client/client.ts';
import { SamlgateError } from '../../client/samlgate-error.ts';
import { CommandError, describeRefusal } from '../command-error.ts';
import { orUndefined } from '../gateway-api.ts';
import { countOf } from '../output.ts';
import { connectionChanges, type Fields, isSameIdentityProvider, isWaitingForTest } from './connection-changes.ts';
import { effectNotes } from './effect-notes.ts';
import { ORGANIZATION_FIELDS, type OrganizationFile, withoutUndefined } from './file.ts';
import { findTargets, IDENTITY_PROVIDER_LABEL, sendMetadata, type Target } from './targets.ts';

interface Change {
  /** Verb and object, such as `set the identity provider`. */
  readonly description: string;
  run(client: Client): Promise<unknown>;
}

/** A dry run. */
interface Check extends Change {
  /** Returns texts from the answer for the person who applies the file. */
  readonly notesOf?: ((answer: unknown) => readonly string[]) | undefined;
}

interface Creation extends Change {
  undo(client: Client): Promise<unknown>;
}

interface Plan {
  readonly slug: string;
  readonly creations: readonly Creation[];
  /** Dry runs of the changes. {@link planChanges} has made them already if there are no creations. */
  readonly checks: readonly Check[];
  readonly changes: readonly Change[];
  /** Texts for the person who applies the file. */
  readonly notes: readonly string[];
}

interface PlanOptions {
  /** Confirms role rules that leave the organization without an owner. The gateway accepts this from the operator only. */
  readonly allowNoOwner?: boolean;
  /** The plan is only shown, so that a decision may still be missing. */
  readonly isDryRun?: boolean;
}

/** Returns the changes that make the gateway match the file. Changes nothing. @throws CommandError, SamlgateError */
export async function planChanges(client: Client, file: OrganizationFile, options: PlanOptions = {}): Promise<Plan> {
  const { slug, name } = file;
  const root = `/api/v1/organizations/${encodeURIComponent(slug)}`;
  const current = (await orUndefined(client.call('GET', root), 'organization_unknown')) as Fields | undefined;
  const present = current ? (await client.connections.list(slug)).items : undefined;
  const targets = await findTargets(client, root, { file, present });
  const creations: Creation[] = [];
  if (!current) {
    const body = { slug, ...withoutNull(organizationFields(file)) };
    creations.push({
      description: `create the organization “${name}”`,
      run: (gateway) => gateway.call('POST', '/api/v1/organizations', { body }),
      undo: (gateway) => gateway.call('DELETE', root),
    });
  }
  creations.push(...targets.filter((target) => !target.present).map((target) => creationOf(root, target)));
  const { groups_from, ...others } = current ? differences(current, organizationFields(file)) : {};
  const roles = await roleMappingSteps(client, { root, file, targets, present, options, groups_from });
  // Saved one after the other, the new rules would be checked with the former groups, or the other way round.
  const fields = withoutUndefined(roles.length > 0 ? others : { ...others, groups_from });
  const steps = [
    ...targets.flatMap((target) => metadataSteps(root, target, options)),
    ...organizationSteps(root, { slug, fields, allowNoOwner: options.allowNoOwner ?? false }),
    ...roles,
    ...targets.flatMap((target) => connectionSteps(root, target, allowsNoOwner(options, current))),
  ];
  const checks = steps.flatMap(({ check }) => (check ? [check] : []));
  const found = creations.length === 0 ? await runChecks(client, slug, checks) : [];
  const notes = [...notesAbout(file, present ?? [], targets), ...found];
  return { slug, creations, checks, changes: steps.map(({ change }) => change), notes };
}

/** @returns the notes of all checks */
async function runChecks(client: Client, slug: string, checks: readonly Check[]): Promise<string[]> {
  const notes: string[] = [];
  for (const check of checks) {
    const answer = await runChange(client, slug, check);
    notes.push(...(check.notesOf?.(answer) ?? []));
  }
  return notes;
}

/** A change, and the dry run that tells whether the gateway accepts it. Metadata is read before the plan is made. */
interface PlannedStep {
  readonly change: Change;
  readonly check?: Check;
}

/** Returns a step whose check is the same call as a dry run. The call is made when the IDs of new connections are known. */
function step(description: string, call: () => { method: string; path: string; body: unknown; checkedBody?: unknown }): PlannedStep {
  return {
    change: { description, run: (gateway) => gateway.call(call().method, call().path, { body: call().body }) },
    check: {
      description,
      run: (gateway) => {
        const { method, path, body, checkedBody = body } = call();
        return gateway.call(method, path, { body: checkedBody, query: { dry_run: true } });
      },
    },
  };
}

const organizationFields = (file: OrganizationFile): Fields =>
  withoutUndefined(Object.fromEntries(ORGANIZATION_FIELDS.map((field) => [field, file[field]])));

interface OrganizationInput {
  readonly slug: string;
  /** Only the fields that differ. */
  readonly fields: Fields;
  readonly allowNoOwner: boolean;
}

function organizationSteps(root: string, { slug, fields, allowNoOwner }: OrganizationInput): PlannedStep[] {
  if (Object.keys(fields).length === 0) return [];
  const body = allowNoOwner && 'groups_from' in fields ? { ...fields, allow_no_owner: true } : fields;
  const { change, check } = step(`change ${Object.keys(fields).join(', ')}`, () => ({ method: 'PATCH', path: root, body }));
  const notesOf = (answer: unknown) => effectNotes(slug, fields, answer);
  return [{ change, ...(check ? { check: { ...check, notesOf } } : {}) }];
}

const withoutNull = (fields: Fields): Fields => Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null));

const differences = (current: Fields, desired: Fields): Fields =>
  Object.fromEntries(Object.entries(desired).filter(([name, value]) => !isDeepStrictEqual(current[name], value)));

function creationOf(root: string, target: Target): Creation {
  const { entry, metadata = {}, label, read } = target;
  const verb = label === IDENTITY_PROVIDER_LABEL ? 'set' : 'create';
  return {
    description: `${verb} ${label}${entityIdText(read)}`,
    run: async (gateway) => {
      target.id = (await sendMetadata(gateway, root, { metadata, id: undefined, name: entry.name })).id;
    },
    // A connection to an identity provider that was connected before has members, whose sessions are not this command's to revoke.
    undo: (gateway) => gateway.call('DELETE', `${root}/connections/${idOf(target)}`, { query: { keep_sessions: true } }),
  };
}

const entityIdText = (read: IdentityProvider | undefined): string => (read ? ` ${read.entity_id}` : '');
const idOf = ({ id = '' }: Target): string => encodeURIComponent(id);

function metadataSteps(root: string, target: Target, { isDryRun = false }: PlanOptions): PlannedStep[] {
  const { entry, metadata, present, read, label } = target;
  if (!present || !metadata || !read || isSameIdentityProvider(present, read) || isWaitingForTest(target)) return [];
  const { on_new_entity_id, link_until } = entry;
  const { members } = read;
  const count = members ? countOf(members.matching + members.ambiguous + members.new, 'member') : undefined;
  if (count !== undefined && on_new_entity_id === undefined && !isDryRun) {
    throw new CommandError(
      `The metadata of ${label} belongs to another identity provider, ${read.entity_id} instead of ${present.entity_id}, which affects ${count}. Set on_new_entity_id in the file. Nothing was changed.`,
      'conflict',
    );
  }
  const effect = count === undefined ? '' : ` (another one, which affects ${count})`;
  const run = (gateway: Client) =>
    sendMetadata(gateway, root, { metadata, id: present.id, name: entry.name }, { on_new_entity_id, link_until });
  return [{ change: { description: `set ${label}${entityIdText(read)}${effect}`, run } }];
}

/** Only the operator creates organizations. The file of a new one may leave the role rules for later. */
const allowsNoOwner = ({ allowNoOwner = false }: PlanOptions, current: Fields | undefined): boolean => allowNoOwner || !current;

function connectionSteps(root: string, target: Target, allowNoOwner: boolean): PlannedStep[] {
  const { body, checkedBody, description } = connectionChanges(target);
  if (Object.keys(body).length === 0) return [];
  const sent = allowNoOwner && body.state === 'active' ? { ...body, allow_no_owner: true } : body;
  return [step(description, () => ({ method: 'PATCH', path: `${root}/connections/${idOf(target)}`, body: sent, checkedBody }))];
}

interface RoleMappingInput {
  readonly root: string;
  readonly file: OrganizationFile;
  readonly targets: readonly Target[];
  readonly present: readonly IdentityProvider[] | undefined;
  readonly options: PlanOptions;
  /** The new value, if it differs. */
  readonly groups_from: unknown;
}

async function roleMappingSteps(client: Client, input: RoleMappingInput): Promise<PlannedStep[]> {
  const { root, file, present, options, groups_from } = input;
  if (!file.role_mapping) return [];
  const { rules, default_role } = file.role_mapping;
  const references = rules.map((rule) => ({ rule, connection: findReference(rule.connection, input) }));
  /** Rules with the IDs of their connections, as far as they exist. */
  const resolved = () => references.map(({ rule, connection }) => withoutUndefined({ ...rule, connection: connection() }));
  const before = present ? ((await client.call('GET', `${root}/role-mapping`)) as RoleMapping) : undefined;
  if (isDeepStrictEqual(before, { rules: resolved(), default_role })) return [];
  const switched = groups_from === undefined ? '' : ` and groups_from ${groups_from}`;
  const description = `set ${countOf(rules.length, 'role rule')} with the default role ${default_role}${switched}`;
  const confirmation = options.allowNoOwner ? { allow_no_owner: true } : {};
  const { change, check } = step(description, () => ({
    method: 'PUT',
    path: `${root}/role-mapping`,
    body: withoutUndefined({ rules: resolved(), default_role, groups_from, ...confirmation }),
  }));
  const notesOf = (answer: unknown) => [
    ...(answer as SavedRoleMapping).warnings.map(({ text }) => text),
    ...effectNotes(file.slug, { groups_from }, answer),
  ];
  return [{ change, ...(check ? { check: { ...check, notesOf } } : {}) }];
}

/** Returns a function that returns the ID of the connection that a rule names. @throws CommandError if the name is unknown */
function findReference(name: string | undefined, { file, targets, present = [] }: RoleMappingInput): () => string | undefined {
  if (name === undefined || name === '*') return () => name;
  const target = targets.find(({ id, entry }) => id === name || entry.name === name);
  if (target) return () => target.id;
  // A connection that the file renames no longer has its former name.
  const others = present.filter(({ id }) => !targets.some((each) => each.id === id && each.entry.name !== undefined));
  const found = others.find(({ id }) => id === name) ?? others.find((each) => each.name === name);
  if (!found) throw new CommandError(`${file.source}: a role rule names the connection ${JSON.stringify(name)}, which does not exist.`);
  return () => found.id;
}

function notesAbout({ connections }: OrganizationFile, present: readonly IdentityProvider[], targets: readonly Target[]): string[] {
  if (!connections) return [];
  const others = present.filter(({ id }) => !targets.some((target) => target.id === id));
  return others.map(({ id, name, state }) => `the connection “${name}” (${id}, ${state}) is not in the file and stays as it is.`);
}

/**
 * Applies a plan: creates what is new, checks the rest and changes it.
 * @returns texts for the person who applies the file
 * @throws CommandError that names the first change that failed, what was applied before, and what was not
 */
export async function applyPlan(client: Client, { slug, creations, checks, changes, notes }: Plan): Promise<string[]> {
  const created: Creation[] = [];
  const warnings = [...notes];
  try {
    for (const creation of creations) {
      await runChange(client, slug, creation);
      created.unshift(creation);
    }
    if (created.length > 0) warnings.push(...(await runChecks(client, slug, checks)));
  } catch (error) {
    const problems = await undoAll(client, created);
    if (problems.length === 0 || !(error instanceof CommandError)) throw error;
    throw new CommandError([error.message, ...problems].join('\n'), error.code);
  }
  for (const [index, change] of changes.entries()) {
    await runChange(client, slug, change).catch((error: unknown) => {
      throw stoppedHalfway(error, [...creations, ...changes.slice(0, index)], changes.slice(index + 1));
    });
  }
  return warnings;
}

async function runChange(client: Client, slug: string, change: Change): Promise<unknown> {
  try {
    return await change.run(client);
  } catch (error) {
    if (!(error instanceof SamlgateError)) throw error;
    // A gateway that fails may have made the change before.
    const isUnknown = error.status === undefined || error.status >= 500;
    const unknown = isUnknown ? '\n  It is not known whether this change was applied.' : '';
    throw new CommandError(`${slug}: could not ${change.description}. ${describeRefusal(error)}${unknown}`, error.code);
  }
}

/** Adds to an error what was applied before and what was not, so that the user need not compare the file with the gateway. */
function stoppedHalfway(error: unknown, applied: readonly Change[], others: readonly Change[]): unknown {
  if (!(error instanceof CommandError)) return error;
  const line = (title: string, changes: readonly Change[]) =>
    changes.length === 0 ? [] : [`  ${title}: ${changes.map(({ description }) => description).join('; ')}`];
  const next =
    applied.length === 0 ? 'Apply the file again.' : 'Apply the file again to continue. Changes that were applied are not made twice.';
  return new CommandError([error.message, ...line('Applied', applied), ...line('Not applied', others), next].join('\n'), error.code);
}

/** @returns one sentence for each creation that could not be undone */
async function undoAll(client: Client, creations: readonly Creation[]): Promise<string[]> {
  const problems: string[] = [];
  for (const creation of creations) {
    try {
      await creation.undo(client);
    } catch (error) {
      if (!(error instanceof SamlgateError)) throw error;
      problems.push(`Could not undo “${creation.description}”. ${describeRefusal(error)}`);
    }
  }
  return problems;
}

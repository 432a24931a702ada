/** The form of the role rules: testing them on members and groups, previewing a change, and saving it. */

import { createHash } from 'node:crypto';
import { type Request, type Response, Router } from 'express';
import { listRecentGroups } from '../../auth/sign-in-log/recent-groups.ts';
import {
  type KnownGroup,
  RoleMappingPage,
  type RuleTest,
  type TypedMapping,
  type TypedRule,
} from '../../console/members/role-mapping-page.tsx';
import { RolePreviewPage } from '../../console/members/role-preview-page.tsx';
import type { Notice } from '../../console/navigation.ts';
import { type ErrorCode, GatewayError } from '../../errors.ts';
import { isUserId } from '../../ids.ts';
import { findConnection, roleScopeOf } from '../../organizations/connections/connections.ts';
import { ruleGroupsOfMember } from '../../organizations/groups/group-roles.ts';
import { listRuleCandidates } from '../../organizations/groups/groups-with-counts.ts';
import { listMembers } from '../../organizations/member-list.ts';
import { getMember, type Member } from '../../organizations/members.ts';
import type { Organization } from '../../organizations/organizations.ts';
import { decideRole, type RoleMapping, roleMappingWarnings } from '../../organizations/role-mapping.ts';
import { changeRoleMapping } from '../../organizations/role-mapping-change.ts';
import {
  countGroups,
  decideAfterNextSignIn,
  foreseeRoles,
  noOwnerReason,
  type RoleMappingEffect,
  roleAfterNextSignIn,
} from '../../organizations/role-mapping-effect.ts';
import type { Runtime } from '../../runtime.ts';
import { callerOf, organizationOf } from '../api/callers.ts';
import { checkShape, NEW_ROLE_MAPPING } from '../api/request-shapes.ts';
import { signalOf } from '../request-context.ts';
import { frameOf, redirectWithNotice, sendConsolePage, visitOf } from './visit.ts';

const TEXTS = {
  rulesChanged:
    'The rules were changed after this form was opened, so yours are not saved. The preview now compares yours with the changed rules. Preview and save again to replace them.',
  unknownMember: 'No member has this email address or user ID.',
  saved: 'The rules are saved. They apply from each member’s next sign-in.',
  confirmLoss: 'This removes your own owner role. Confirm to continue. Nothing has changed yet.',
} as const;

export function roleMappingPages(runtime: Runtime): Router {
  const router = Router({ caseSensitive: true });
  router.get('/', (request, response) => show(runtime, request, response, organizationOf(response).roleMapping));
  router.post('/rows', (request, response) => editRows(runtime, request, response));
  router.post('/try', (request, response) => testRules(runtime, request, response));
  router.post('/preview', (request, response) => preview(runtime, request, response));
  router.post('/save', (request, response) => save(runtime, request, response));
  return router;
}

const NO_TEST: RuleTest = { member: '', groups: '', connection: '' };
const BLANK_ROWS = 1;
const MAX_BLANK_ROWS = 20;

interface FormState {
  /** The digest of the rules that the form started from. Default: the saved rules. */
  readonly base?: string;
  readonly test?: RuleTest;
  readonly blankRows?: number;
  readonly focusesBlankRow?: boolean;
  readonly problem?: { readonly notice: Notice; readonly status: number };
}

async function show(runtime: Runtime, request: Request, response: Response, mapping: TypedMapping, state: FormState = {}): Promise<void> {
  const { test = NO_TEST, blankRows = BLANK_ROWS, focusesBlankRow = false, problem } = state;
  const organization = organizationOf(response);
  const { connections, roleMapping } = organization;
  const base = state.base ?? digestOf(roleMapping);
  const knownGroups = await findKnownGroups(runtime, organization);
  const frame = frameOf(runtime, request, response, problem?.notice);
  const page = <RoleMappingPage {...{ frame, base, mapping, blankRows, focusesBlankRow, knownGroups, connections, test }} />;
  sendConsolePage(response, page, problem?.status);
}

const digestOf = ({ rules, defaultRole }: TypedMapping): string =>
  createHash('sha256')
    .update(JSON.stringify([defaultRole, rules.map(({ group, role, connection }) => [group, role, connection])]))
    .digest('base64url');

/**
 * Requires that the rules are still those that the form started from, so that no form overwrites a newer change that its user has not
 * seen. A form that is sent twice is no such change.
 * @throws conflict
 */
function requireUnchanged(request: Request, saved: RoleMapping): void {
  const digest = digestOf(saved);
  if (digest === textIn(request, 'base') || digest === digestOf(typedIn(request))) return;
  throw new GatewayError('conflict', TEXTS.rulesChanged);
}

/** Bounds the suggestions together, because a group may have a thousand characters. */
const MAX_SUGGESTED_CHARACTERS = 32_000;
const MAX_GROUP = 1024;

/** Returns the groups to suggest, those of members first. Groups that rules do not read are not suggested. */
async function findKnownGroups(runtime: Runtime, organization: Organization): Promise<readonly KnownGroup[]> {
  const readsResponses = organization.groupsFrom !== 'scim';
  const [ofMembers, provisioned, recent] = await Promise.all([
    readsResponses ? countGroups(runtime.store, organization.id) : [],
    listRuleCandidates(runtime.store, organization),
    readsResponses ? listRecentGroups(runtime, organization.id) : [],
  ]);
  const known = new Map<string, KnownGroup>(ofMembers.map((each) => [each.group, each]));
  for (const group of provisioned) if (!known.has(group)) known.set(group, { group, isProvisioned: true });
  for (const group of recent) if (!known.has(group)) known.set(group, { group });
  let characters = 0;
  return [...known.values()].filter(({ group }) => {
    if (group.length > MAX_GROUP) return false;
    characters += group.length;
    return characters <= MAX_SUGGESTED_CHARACTERS;
  });
}

/** Adds an empty row, or removes the row whose button was clicked. Changes nothing that is saved. */
async function editRows(runtime: Runtime, request: Request, response: Response): Promise<void> {
  const removed = textIn(request, 'remove');
  const blank = Object.entries((request.body ?? {}) as object).filter(([name, value]) => /^group_\d+$/.test(name) && value === '').length;
  await show(runtime, request, response, typedIn(request, removed), {
    base: textIn(request, 'base'),
    test: typedTestIn(request),
    blankRows: removed === '' ? Math.min(blank + 1, MAX_BLANK_ROWS) : BLANK_ROWS,
    focusesBlankRow: removed === '',
  });
}

const typedTestIn = (request: Request): RuleTest => ({
  member: textIn(request, 'try_member').trim(),
  groups: textIn(request, 'try_groups'),
  connection: textIn(request, 'try_connection'),
});

const MAX_RULES = 1000;

const textIn = (request: Request, name: string): string => {
  const value = (request.body as Readonly<Record<string, unknown>> | undefined)?.[name];
  return typeof value === 'string' ? value : '';
};

/**
 * Returns the rows that have a group. White space is kept, because it is part of a group's name.
 * @param removed the index of a row to leave out
 */
function typedIn(request: Request, removed?: string): TypedMapping {
  const rules: TypedRule[] = [];
  for (let index = 0; index < MAX_RULES; index++) {
    const group = textIn(request, `group_${index}`);
    if (group === '' || String(index) === removed) continue;
    const connection = textIn(request, `connection_${index}`);
    const role = textIn(request, `role_${index}`) === 'owner' ? 'owner' : 'collaborator';
    rules.push({ group, role, ...(connection === '' ? {} : { connection }) });
  }
  const role = textIn(request, 'default_role');
  return { rules, defaultRole: role === 'owner' || role === 'none' ? role : 'collaborator' };
}

async function testRules(runtime: Runtime, request: Request, response: Response): Promise<void> {
  const mapping = typedIn(request);
  const test = await runTest(runtime, response, mapping, typedTestIn(request));
  await show(runtime, request, response, mapping, { base: textIn(request, 'base'), test });
}

async function runTest(runtime: Runtime, response: Response, mapping: RoleMapping, typed: RuleTest): Promise<RuleTest> {
  const organization = organizationOf(response);
  if (typed.member === '') return testGroups(organization, mapping, typed);
  const member = await findTestMember(runtime, organization.id, typed.member);
  if (!member) return { ...typed, problem: TEXTS.unknownMember };
  const context = { mapping, scimGroups: await ruleGroupsOfMember(runtime.store, organization, member, mapping) };
  const decision = decideAfterNextSignIn(organization, context, member);
  const role = roleAfterNextSignIn(organization, context, member);
  const { isDefault } = roleScopeOf(organization, member.connectionId);
  return { ...typed, result: { email: member.email, role, decision, isDefaultConnection: isDefault } };
}

/** Tests groups of a user of the chosen connection, or of the default connection if none is chosen or it does not exist any longer. */
function testGroups(organization: Organization, mapping: RoleMapping, typed: RuleTest): RuleTest {
  const connection = findConnection(organization, typed.connection) ?? organization.connections[0];
  const scope = roleScopeOf(organization, connection?.id);
  const groups = typed.groups.split(/\r?\n/).filter((line) => line !== '');
  const decision = decideRole(mapping, groups, scope);
  const result = { email: undefined, role: decision.role, decision, isDefaultConnection: scope.isDefault };
  return { ...typed, connection: connection?.id ?? '', result };
}

/** Finds a member by user ID or exact email address. */
async function findTestMember({ store }: Runtime, organizationId: string, text: string): Promise<Member | undefined> {
  const filter = text.includes('@') ? { email: text } : { query: text };
  if (filter.email === undefined && !isUserId(text)) return undefined;
  const { items } = await listMembers(store, organizationId, { ...filter, limit: 1 });
  return items[0]?.value;
}

/** Returns the rules of the form, with the checks of the API. @throws validation_failed */
function mappingIn(request: Request): RoleMapping {
  const { rules, default_role: defaultRole } = checkShape(NEW_ROLE_MAPPING, {
    rules: typedIn(request).rules,
    default_role: textIn(request, 'default_role'),
  });
  return { rules, defaultRole };
}

const effectFor = (runtime: Runtime, response: Response, mapping: RoleMapping): Promise<RoleMappingEffect> => {
  const { viewer } = visitOf(response);
  const ownId = viewer.kind === 'member' ? viewer.id : undefined;
  return foreseeRoles(runtime.store, { organization: organizationOf(response), mapping, ownId, signal: signalOf(response) });
};

async function preview(runtime: Runtime, request: Request, response: Response): Promise<void> {
  await keepingTyped(runtime, request, response, () => showPreview(runtime, request, response, mappingIn(request)));
}

/**
 * Runs an action of the form, unless the rules have changed since the form was opened. If the rules are refused, shows the form with
 * what was entered and the reason. That form starts from the saved rules, because a newer change is the reason that it shows.
 */
async function keepingTyped(runtime: Runtime, request: Request, response: Response, action: () => Promise<void>): Promise<void> {
  try {
    requireUnchanged(request, organizationOf(response).roleMapping);
    await action();
  } catch (error) {
    if (!(error instanceof GatewayError) || !EDITABLE.includes(error.code)) throw error;
    const notice: Notice = { kind: 'problem', text: error.facts.detail ?? error.textFor('user').title };
    await show(runtime, request, response, typedIn(request), { test: typedTestIn(request), problem: { notice, status: error.status } });
  }
}

const EDITABLE: readonly ErrorCode[] = ['validation_failed', 'conflict', 'quota_exceeded'];

async function showPreview(runtime: Runtime, request: Request, response: Response, mapping: RoleMapping): Promise<void> {
  const effect = await effectFor(runtime, response, mapping);
  const frame = frameOf(runtime, request, response);
  const noOwner = noOwnerReason(organizationOf(response).roleMapping, mapping, effect);
  const warnings = roleMappingWarnings(mapping);
  const { roleMapping: present, connections } = organizationOf(response);
  sendConsolePage(
    response,
    <RolePreviewPage {...{ frame, base: digestOf(present), mapping, present, connections, effect, warnings, noOwner }} />,
  );
}

/** Checks everything again, because members may have signed in since the preview and a form can be sent without one. */
async function save(runtime: Runtime, request: Request, response: Response): Promise<void> {
  await keepingTyped(runtime, request, response, () => saveRules(runtime, request, response));
}

async function saveRules(runtime: Runtime, request: Request, response: Response): Promise<void> {
  const roleMapping = mappingIn(request);
  await requireOwnLossConfirmed(runtime, request, response, roleMapping);
  await changeRoleMapping(runtime, callerOf(request, response), {
    organizationId: organizationOf(response).id,
    roleMapping: (saved) => {
      requireUnchanged(request, saved);
      return roleMapping;
    },
    allowNoOwner: textIn(request, 'allow_no_owner') === 'yes',
  });
  redirectWithNotice(runtime, response, `${visitOf(response).base}/roles`, TEXTS.saved);
}

/** @throws conflict if the rules remove the viewer's own owner role without a confirmation */
async function requireOwnLossConfirmed({ store }: Runtime, request: Request, response: Response, mapping: RoleMapping): Promise<void> {
  const { viewer } = visitOf(response);
  if (viewer.kind !== 'member' || textIn(request, 'confirmed') === 'yes') return;
  const { value: member } = await getMember(store, organizationOf(response).id, viewer.id);
  if (member.role !== 'owner') return;
  const organization = organizationOf(response);
  const scimGroups = await ruleGroupsOfMember(store, organization, member, mapping);
  if (roleAfterNextSignIn(organization, { mapping, scimGroups }, member) === 'owner') return;
  throw new GatewayError('conflict', TEXTS.confirmLoss);
}

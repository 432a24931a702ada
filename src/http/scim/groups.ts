/** `/scim/v2/{org}/Groups`. Members are sent while they are read, so that a large group needs no memory. */
import { changeGroup, createGroup, getGroup, removeGroup } from '../../organizations/groups/change-group.ts';
import type { MemberCharges } from '../../organizations/groups/change-memberships.ts';
import { eachGroupMember, listGroups } from '../../organizations/groups/list-groups.ts';
import type { ScimGroup } from '../../organizations/groups/scim-groups.ts';
import type { Runtime } from '../../runtime.ts';
import type { Attributes } from '../../scim/attributes.ts';
import { groupResource, type MemberListChange, readGroup, readGroupPatch } from '../../scim/group.ts';
import { applyPatch } from '../../scim/patch.ts';
import { etagOf, includesAttribute, projectResource } from '../../scim/user.ts';
import type { Stored } from '../../store/store.ts';
import { signalOf } from '../request-context.ts';
import { PageBudget, stream, streamList } from './answers.ts';
import { type Call, conditionOf, idOf, projectionOf, readListQuery } from './call.ts';
import { memberCharges } from './member-charges.ts';

type Handler = (runtime: Runtime, call: Call) => Promise<void>;

export const GROUP_ROUTES: readonly (readonly ['get' | 'post' | 'put' | 'patch' | 'delete', path: string, Handler])[] = [
  ['get', '/Groups', sendGroups],
  ['post', '/Groups', postGroup],
  ['get', '/Groups/:id', sendGroup],
  ['put', '/Groups/:id', putGroup],
  ['patch', '/Groups/:id', patchGroup],
  ['delete', '/Groups/:id', deleteGroup],
];

async function sendGroups(runtime: Runtime, call: Call): Promise<void> {
  const query = readListQuery(call);
  const list = await listGroups(runtime, call.principal, query);
  const budget = new PageBudget();
  const textOf = groupTextOf(runtime, call, () => budget.spend(1));
  await streamList(call.response, { ...list, startIndex: query.startIndex }, { textOf, budget });
}

async function postGroup(runtime: Runtime, call: Call): Promise<void> {
  const sent = readGroup(call.body);
  const charges = await chargeNamed(runtime, call, sent.members);
  const group = await createGroup(runtime, call.actor, call.principal, { ...sent, charges });
  await answerGroup(runtime, call, { status: 201, group });
}

/** Counts the members that a request names before anything changes. @throws rate_limited */
async function chargeNamed(runtime: Runtime, call: Call, { added, removed }: MemberListChange): Promise<MemberCharges> {
  const charges = memberCharges(runtime, call);
  await charges.require(added.size + removed.size);
  return charges;
}

async function sendGroup(runtime: Runtime, call: Call): Promise<void> {
  const group = await getGroup(runtime, call.principal, idOf(call));
  if (call.request.headers['if-none-match'] === etagOf(group.version)) call.response.status(304).end();
  else await answerGroup(runtime, call, { status: 200, group });
}

async function putGroup(runtime: Runtime, call: Call): Promise<void> {
  const { attributes, members } = readGroup(call.body);
  const charges = await chargeNamed(runtime, call, members);
  const group = await changeGroup(runtime, call.actor, call.principal, {
    ...conditionOf(call),
    change: () => attributes,
    members,
    charges,
  });
  await answerGroup(runtime, call, { status: 200, group });
}

/** Answers without the group, which may have many members, unless the client asks for attributes (RFC 7644 §3.5.2). */
async function patchGroup(runtime: Runtime, call: Call): Promise<void> {
  const { operations, members } = readGroupPatch(call.body);
  const charges = await chargeNamed(runtime, call, members);
  const group = await changeGroup(runtime, call.actor, call.principal, {
    ...conditionOf(call),
    change: (attributes) => applyPatch(attributes, operations),
    members,
    charges,
  });
  if (projectionOf(call.request).only.length > 0) await answerGroup(runtime, call, { status: 200, group });
  else call.response.setHeader('ETag', etagOf(group.version)).status(204).end();
}

async function deleteGroup(runtime: Runtime, call: Call): Promise<void> {
  await removeGroup(runtime, call.actor, call.principal, { ...conditionOf(call), charges: memberCharges(runtime, call) });
  call.response.status(204).end();
}

async function answerGroup(
  runtime: Runtime,
  call: Call,
  { status, group }: { readonly status: number; readonly group: Stored<ScimGroup> },
): Promise<void> {
  call.response.setHeader('ETag', etagOf(group.version));
  if (status === 201) call.response.setHeader('Location', `${call.base}/Groups/${group.id}`);
  await stream(call.response, status, groupTextOf(runtime, call)(group));
}

/** Returns how the JSON of groups is yielded in parts of bounded length. */
function groupTextOf({ store }: Runtime, { request, response, base, principal }: Call, onMember: () => void = () => {}) {
  const projection = projectionOf(request);
  const hasMembers = includesAttribute(projection, 'members');
  const at = { organizationId: principal.organization.id, connectionId: principal.connection.id, signal: signalOf(response) };
  return async function* ({ id, version, value }: Stored<ScimGroup>): AsyncGenerator<string> {
    const { attributes, createdAt, changedAt } = value;
    const meta = { id, version, createdAt, changedAt, location: `${base}/Groups/${id}` };
    const text = JSON.stringify(projectResource(groupResource(attributes, meta), projection));
    if (!hasMembers) {
      yield text;
      return;
    }
    let part = `${text.slice(0, -1)},"members":[`;
    let isFirst = true;
    for await (const userId of eachGroupMember(store, { ...at, groupId: id })) {
      const member = projectMember({ value: userId, $ref: `${base}/Users/${userId}`, type: 'User' }, projection);
      part += `${isFirst ? '' : ','}${JSON.stringify(member)}`;
      isFirst = false;
      onMember();
      if (part.length < PART_LENGTH) continue;
      yield part;
      part = '';
    }
    yield `${part}]}`;
  };
}

const PART_LENGTH = 16_384;

const projectMember = (member: Attributes, projection: ReturnType<typeof projectionOf>) => {
  const { members } = projectResource({ members: [member] }, projection);
  return Array.isArray(members) ? members[0] : undefined;
};

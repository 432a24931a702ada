/** `/HABIT/provisioning`: provisions or deactivates a person at the gateway, or pushes the groups, and shows the requests. */
import { type Request, Router } from 'express';
import { findHabit, type Habit } from '../habits.ts';
import type { KnownOrganization } from '../pages.tsx';
import { ENTRA_GROUPS, OKTA_GROUPS } from '../people.ts';
import { MockIdpRefusal } from '../refusal.ts';
import { type ProvisioningClient, withMembers } from './directory.ts';
import { EntraClient } from './entra-client.ts';
import { OktaClient } from './okta-client.ts';
import { type ProvisioningAction, resultPage } from './result-page.tsx';
import { ScimRefusal } from './scim-requests.ts';

export interface ProvisioningParts {
  readonly gatewayBaseUrl: string;
  readonly organizations: readonly KnownOrganization[];
  readonly scimTokens: ReadonlyMap<string, string>;
  readonly formToken: string;
}

export function provisioningRoutes(parts: ProvisioningParts): Router {
  const router = Router();
  router.post('/:habit/provisioning', async (request, response) => {
    const { client, habit, action, organization } = readForm(request, parts);
    let refusal: ScimRefusal | undefined;
    try {
      if (action.kind === 'push_groups') await pushGroups(client, habit);
      else if (action.kind === 'provision') await client.assign(action.person);
      else await client.unassign(action.person);
    } catch (error) {
      if (!(error instanceof ScimRefusal)) throw error;
      refusal = error;
    }
    response.send(resultPage({ action, organization, gatewayBaseUrl: parts.gatewayBaseUrl, exchanges: client.exchanges, refusal }));
  });
  return router;
}

/** Pushes the groups of all people, with their provisioned members. */
async function pushGroups(client: ProvisioningClient, { name, people }: Habit): Promise<void> {
  await client.findAssigned(people);
  for (const group of withMembers(name === 'okta' ? OKTA_GROUPS : ENTRA_GROUPS, people)) await client.pushGroup(group);
}

interface ProvisioningForm {
  readonly client: ProvisioningClient;
  readonly habit: Habit;
  readonly action: ProvisioningAction;
  readonly organization: KnownOrganization;
}

/** Pages of other sites cannot send the form, because they do not know its token. @throws MockIdpRefusal */
function readForm(
  { params, body }: Request,
  { organizations, scimTokens, gatewayBaseUrl, formToken }: ProvisioningParts,
): ProvisioningForm {
  const fields = new Map(Object.entries((body ?? {}) as Record<string, unknown>));
  if (fields.get('form_token') !== formToken) {
    throw new MockIdpRefusal('The form is no longer valid. Open the page of all identity providers and try again.', { status: 403 });
  }
  const habit = findHabit(String(params.habit));
  const organization = organizations.find(({ slug, habit: name }) => slug === fields.get('organization') && name === habit?.name);
  const token = organization && scimTokens.get(organization.slug);
  if (!habit || !organization || token === undefined) {
    throw new MockIdpRefusal('This identity provider provisions no organization of this name.', { status: 404 });
  }
  const target = { baseUrl: `${gatewayBaseUrl}/scim/v2/${encodeURIComponent(organization.slug)}`, token };
  const client = habit.name === 'okta' ? new OktaClient(target) : new EntraClient(target, { flag: true });
  return { client, habit, action: readAction(fields, habit), organization };
}

/** @throws MockIdpRefusal */
function readAction(fields: ReadonlyMap<string, unknown>, { label, people }: Habit): ProvisioningAction {
  if (fields.has('push_groups')) return { kind: 'push_groups' };
  const kind = fields.has('provision') ? 'provision' : 'deactivate';
  const person = people.find(({ key }) => key === fields.get(kind));
  if (!person) throw new MockIdpRefusal(`${label} has no user of this name.`);
  return { kind, person };
}

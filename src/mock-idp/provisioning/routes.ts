/** `/HABIT/provisioning`: provisions or deactivates a person at the gateway, and shows the requests. */
import { type Request, Router } from 'express';
import { findHabit } from '../habits.ts';
import type { KnownOrganization } from '../pages.tsx';
import type { Person } from '../people.ts';
import { MockIdpRefusal } from '../refusal.ts';
import type { ProvisioningClient } from './directory.ts';
import { EntraClient } from './entra-client.ts';
import { OktaClient } from './okta-client.ts';
import { resultPage } from './result-page.tsx';
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
    const { client, person, action, organization } = readForm(request, parts);
    let refusal: ScimRefusal | undefined;
    try {
      if (action === 'provision') await client.assign(person);
      else await client.unassign(person);
    } catch (error) {
      if (!(error instanceof ScimRefusal)) throw error;
      refusal = error;
    }
    response.send(resultPage({ person, action, organization, gatewayBaseUrl: parts.gatewayBaseUrl, exchanges: client.exchanges, refusal }));
  });
  return router;
}

interface ProvisioningForm {
  readonly client: ProvisioningClient;
  readonly person: Person;
  readonly action: 'provision' | 'deactivate';
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
  const action = fields.has('provision') ? 'provision' : 'deactivate';
  const person = habit.people.find(({ key }) => key === fields.get(action));
  if (!person) throw new MockIdpRefusal(`${habit.label} has no user of this name.`);
  const target = { baseUrl: `${gatewayBaseUrl}/scim/v2/${encodeURIComponent(organization.slug)}`, token };
  const client = habit.name === 'okta' ? new OktaClient(target) : new EntraClient(target, { flag: true });
  return { client, person, action, organization };
}

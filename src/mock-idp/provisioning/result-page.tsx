/** Shows what an identity provider sent to the gateway, and what the gateway answered. */
import { type KnownOrganization, Page, render } from '../pages.tsx';
import type { Person } from '../people.ts';
import type { ScimExchange, ScimRefusal } from './scim-requests.ts';

export type ProvisioningAction = { readonly kind: 'provision' | 'deactivate'; readonly person: Person } | { readonly kind: 'push_groups' };

export interface ProvisioningResult {
  readonly action: ProvisioningAction;
  readonly organization: KnownOrganization;
  readonly gatewayBaseUrl: string;
  readonly exchanges: readonly ScimExchange[];
  readonly refusal: ScimRefusal | undefined;
}

export function resultPage({ action, organization, gatewayBaseUrl, exchanges, refusal }: ProvisioningResult): string {
  return render(
    <Page title={titleOf(action, refusal === undefined)} wide>
      {refusal ? <p role="alert">The gateway refused the request: {refusal.detail}</p> : <p class="lead">{effectOf(action, exchanges)}</p>}
      <p>
        <a href="/">All identity providers</a> · <a href={`${gatewayBaseUrl}/console`}>Console of the gateway</a> ·{' '}
        <a href={`${gatewayBaseUrl}/saml/${organization.slug}/login`}>Sign in to {organization.name}</a>
      </p>
      <section class="panel" aria-labelledby="requests">
        <h2 id="requests">Requests to the gateway</h2>
        <ol class="mock-exchanges">
          {exchanges.map((exchange, index) => (
            <Exchange key={index} exchange={exchange} open={index === exchanges.length - 1} />
          ))}
        </ol>
      </section>
    </Page>,
  );
}

function titleOf(action: ProvisioningAction, isDone: boolean): string {
  const not = isDone ? '' : ' not';
  if (action.kind === 'push_groups') return `The groups were${not} pushed`;
  const { firstName, lastName } = action.person;
  return `${firstName} ${lastName} was${not} ${action.kind === 'provision' ? 'provisioned' : 'deactivated'}`;
}

function effectOf(action: ProvisioningAction, exchanges: readonly ScimExchange[]): string {
  if (action.kind === 'push_groups')
    return 'The gateway has the groups with their provisioned members. They give roles once the operator selects them under “Groups for role rules” of the organization.';
  if (action.kind === 'deactivate')
    return 'The member is suspended. All sessions and tokens of the member ended immediately, and sign-ins are refused.';
  return exchanges.some(({ method }) => method === 'POST')
    ? 'The user is a member of the organization now, before the first sign-in.'
    : 'The gateway already knew the user. The member is active and has the attributes of the directory.';
}

function Exchange({
  exchange: { method, path, sent, status, received },
  open,
}: {
  readonly exchange: ScimExchange;
  readonly open: boolean;
}) {
  return (
    <li>
      <details open={open}>
        <summary>
          <code>
            {method} {path}
          </code>{' '}
          <span class={status < 400 ? 'badge good' : 'badge bad'}>{status}</span>
        </summary>
        {sent !== undefined && <Body title="Request" body={sent} />}
        {received === undefined ? <p class="small">The response has no body.</p> : <Body title="Response" body={received} />}
      </details>
    </li>
  );
}

/** The region can be scrolled, so it can be focused. */
function Body({ title, body }: { readonly title: string; readonly body: unknown }) {
  return (
    <figure>
      <figcaption class="small">{title}</figcaption>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: users without a mouse scroll it */}
      <pre tabIndex={0}>
        <code>{JSON.stringify(body, undefined, 2)}</code>
      </pre>
    </figure>
  );
}

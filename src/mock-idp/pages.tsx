/** The pages of the mock identity provider. They work without JavaScript and start with a warning. */
import type { ComponentChildren } from 'preact';
import { renderToString } from 'preact-render-to-string';
import type { Habit, HabitName } from './habits.ts';

/** What the people page passes on to the response. All of it comes from the request. */
export interface PendingSignIn {
  readonly acsUrl: string;
  readonly spEntityId: string;
  /** Undefined if the sign-in starts at the identity provider. */
  readonly inResponseTo: string | undefined;
  readonly nameIdFormat: string | undefined;
  readonly relayState: string | undefined;
}

interface PageProps {
  readonly title: string;
  readonly selfSubmitting?: boolean;
  /** Leaves room for several cards side by side. */
  readonly wide?: boolean;
  readonly children: ComponentChildren;
}

export function Page({ title, selfSubmitting, wide, children }: PageProps) {
  return (
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <title>{`${title} – mock identity provider`}</title>
        <link rel="icon" href="/assets/icon.svg" type="image/svg+xml" />
        <link rel="stylesheet" href="/mock-idp.css" />
        {selfSubmitting === true && <script src="/mock-idp.js" defer />}
      </head>
      <body>
        <aside class="mock-banner" aria-label="Warning">
          This is a <strong>mock identity provider for development</strong>. It asks for no password. Anyone who can open this page can sign
          in as any user below.
        </aside>
        <main class={wide === true ? 'console' : 'card'}>
          <p class="brand">
            <img src="/assets/icon.svg" alt="" width="28" height="28" /> samlgate <span class="divider">mock identity provider</span>
          </p>
          <h1>{title}</h1>
          {children}
        </main>
      </body>
    </html>
  );
}

export const render = (page: Parameters<typeof renderToString>[0]) => `<!doctype html>${renderToString(page)}`;

/** Renders a hidden field, or nothing if there is no value. */
export function Hidden({ name, value }: { name: string; value: string | undefined }) {
  return value === undefined ? null : <input type="hidden" name={name} value={value} />;
}

/** An organization of the gateway that uses one of these identity providers. */
export interface KnownOrganization {
  readonly habit: HabitName;
  readonly slug: string;
  readonly name: string;
  /** What happens at the gateway, such as the role, by the key of the person. */
  readonly outcomes: Readonly<Record<string, string>>;
}

export interface FrontPageOptions {
  readonly gatewayBaseUrl: string;
  readonly metadataUrl: (habit: HabitName) => string;
  readonly organizations: readonly KnownOrganization[];
  /** Slugs of the organizations whose users can be provisioned. */
  readonly provisioned: ReadonlySet<string>;
  /** Fields of forms that change something at the gateway. Pages of other sites cannot read them. */
  readonly formToken: string;
}

/** `/`: shows a card for each imitated identity provider. A click on a person signs in to its organization of the gateway. */
export function frontPage(habits: readonly Habit[], options: FrontPageOptions): string {
  const { gatewayBaseUrl, organizations, provisioned } = options;
  const title = organizations.length === 0 ? 'Identity providers' : 'Choose a person to sign in';
  return render(
    <Page title={title} wide>
      <p class="lead">
        Each card imitates the product that it is named after, for the gateway at <a href={gatewayBaseUrl}>{gatewayBaseUrl}</a>.{' '}
        {organizations.length > 0 && (
          <>
            Click a person. You return to the gateway signed in, and it shows your role and the reason for it. Or enter one of the email
            addresses on <a href={`${gatewayBaseUrl}/login`}>the gateway’s own sign-in page</a>.
          </>
        )}
        {provisioned.size > 0 && (
          <>
            {' '}
            <strong>Provision</strong> sends the user to the gateway with SCIM before the first sign-in. <strong>Deactivate</strong> ends
            all sessions and tokens of the user there. <strong>Push groups</strong> sends the groups with their provisioned members.
          </>
        )}
      </p>
      <div class="mock-cards">
        {habits.map((habit) => (
          <HabitCard key={habit.name} habit={habit} {...options} />
        ))}
      </div>
    </Page>,
  );
}

/** Shows one identity provider with its people, and folded in, the values for its set-up. */
function HabitCard({ habit, ...options }: FrontPageOptions & { readonly habit: Habit }) {
  const { metadataUrl, organizations } = options;
  const own = organizations.filter((organization) => organization.habit === habit.name);
  return (
    <section class="panel" aria-labelledby={habit.name}>
      <h2 id={habit.name}>{habit.label}</h2>
      {own.map((organization) => (
        <OrganizationOf key={organization.slug} habit={habit} organization={organization} {...options} />
      ))}
      <details open={own.length === 0}>
        <summary>Metadata and other sign-ins</summary>
        <dl>
          <dt>Entity ID</dt>
          <dd>
            <code>{habit.issuer}</code>
          </dd>
          <dt>Metadata</dt>
          <dd>
            <a href={`/${habit.name}/metadata`}>{metadataUrl(habit.name)}</a>
          </dd>
        </dl>
        <form method="get" action={`/${habit.name}/start`}>
          <label>
            Start a sign-in for the organization with the slug
            <input name="organization" required pattern="[a-z0-9][a-z0-9\-]{1,62}" value={own[0]?.slug} />
          </label>
          <button type="submit" class="secondary">
            Choose a person
          </button>
        </form>
      </details>
    </section>
  );
}

interface OrganizationOfProps extends FrontPageOptions {
  readonly habit: Habit;
  readonly organization: KnownOrganization;
}

/** Lists the people of an organization. A click starts a sign-in at the identity provider; the link below starts one at the gateway. */
function OrganizationOf({ habit, organization, gatewayBaseUrl, provisioned, formToken }: OrganizationOfProps) {
  const base = `${gatewayBaseUrl}/saml/${organization.slug}`;
  const formId = provisioned.has(organization.slug) ? `provision-${organization.slug}` : undefined;
  return (
    <>
      <form method="post" action={`/${habit.name}/answer`}>
        <Hidden name="acs" value={`${base}/acs`} />
        <Hidden name="sp" value={`${base}/metadata`} />
        <People habit={habit} outcomes={organization.outcomes} provisioningForm={formId} />
      </form>
      {formId !== undefined && (
        <form id={formId} method="post" action={`/${habit.name}/provisioning`}>
          <Hidden name="organization" value={organization.slug} />
          <Hidden name="form_token" value={formToken} />
          <p class="mock-actions">
            <button
              type="submit"
              name="push_groups"
              value="all"
              class="secondary outline"
              aria-label={`Push groups to ${organization.name}`}
            >
              Push groups
            </button>
          </p>
        </form>
      )}
      <p class="small">
        To start at the gateway instead: <a href={`${base}/login`}>Sign in to {organization.name}</a>
      </p>
    </>
  );
}

interface PeopleProps {
  readonly habit: Habit;
  readonly outcomes?: Readonly<Record<string, string>>;
  /** `id` of the form that provisions and deactivates people. */
  readonly provisioningForm?: string | undefined;
}

/** A button for each person. The outcomes are shown if they are known. */
function People({ habit, outcomes = {}, provisioningForm }: PeopleProps) {
  return (
    <ul class="mock-people">
      {habit.people.map((person) => (
        <li key={person.key}>
          <button type="submit" name="person" value={person.key} class="secondary" aria-describedby={`about-${habit.name}-${person.key}`}>
            {person.firstName} {person.lastName}
          </button>{' '}
          <span class={person.label === 'administrator' ? 'badge good' : 'badge note'}>{person.label}</span>{' '}
          <span class="mock-about" id={`about-${habit.name}-${person.key}`}>
            {person.email}: {person.about}.
            {outcomes[person.key] !== undefined && (
              <>
                {' '}
                At the gateway: <strong>{outcomes[person.key]}</strong>
              </>
            )}
          </span>
          {provisioningForm !== undefined && (
            <span class="mock-actions">
              {(['Provision', 'Deactivate'] as const).map((action) => (
                <button
                  key={action}
                  type="submit"
                  form={provisioningForm}
                  name={action.toLowerCase()}
                  value={person.key}
                  class="secondary outline"
                  aria-label={`${action} ${person.firstName} ${person.lastName}`}
                >
                  {action}
                </button>
              ))}
            </span>
          )}
        </li>
      ))}
    </ul>
  );
}

/** `/HABIT/sso`, `/HABIT/start`: asks which person signs in. */
export function peoplePage(habit: Habit, pending: PendingSignIn): string {
  return render(
    <Page title={`Sign in with ${habit.label}`}>
      <p>
        To <code>{pending.spEntityId}</code>
      </p>
      <form method="post" action={`/${habit.name}/answer`}>
        <Hidden name="acs" value={pending.acsUrl} />
        <Hidden name="sp" value={pending.spEntityId} />
        <Hidden name="InResponseTo" value={pending.inResponseTo} />
        <Hidden name="NameIDFormat" value={pending.nameIdFormat} />
        <Hidden name="RelayState" value={pending.relayState} />
        <People habit={habit} />
      </form>
    </Page>,
  );
}

/** Posts the response to the gateway, by script if there is JavaScript. @see saml-bindings §3.5.4 */
export function postPage(habit: Habit, acsUrl: string, samlResponse: string, relayState: string | undefined): string {
  return render(
    <Page title={`Signed in with ${habit.label}`} selfSubmitting>
      <form method="post" action={acsUrl} data-self-submit>
        <Hidden name="SAMLResponse" value={samlResponse} />
        <Hidden name="RelayState" value={relayState} />
        <p>
          The response goes to <code>{acsUrl}</code>.
        </p>
        <button type="submit">Continue</button>
      </form>
    </Page>,
  );
}

/** Says in a sentence what went wrong. */
export function refusalPage(title: string, message: string): string {
  return render(
    <Page title={title}>
      <p role="alert">{message}</p>
      <p>
        <a href="/">All identity providers</a>
      </p>
    </Page>,
  );
}

/** `/mock-idp.js` */
export const SCRIPT = "document.querySelector('form[data-self-submit]')?.submit();\n";

/** The end of `/mock-idp.css`, after the style sheets of the console. */
export const STYLE = `.mock-banner { margin: 0; padding: .6rem 1rem; background: #7a3b00; color: #fff; text-align: center; font-size: .9rem; }
.mock-banner strong { color: inherit; }
main.console > h1 { margin: 1.25rem 0 .5rem; }
.mock-cards { display: grid; gap: 1.25rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 19rem), 1fr)); align-items: start; }
.mock-cards .panel { margin: 0; }
.mock-people { margin: 0 0 1rem; padding: 0; }
.mock-people li { display: flex; flex-wrap: wrap; gap: .25rem .6rem; align-items: center; margin: 0; padding: .7rem 0; border-top: 1px solid var(--pico-muted-border-color); list-style: none; }
.mock-people li:first-child { border-top: 0; }
.mock-people button { flex: 1 1 9rem; text-align: left; }
.mock-actions { display: flex; flex: 1 1 100%; gap: .5rem; }
.mock-actions button { flex: 0 1 auto; margin: 0; padding: .3rem .8rem; font-size: .875rem; }
.mock-exchanges { margin: 0; padding: 0; }
.mock-exchanges li { margin: 0; padding: .5rem 0; border-top: 1px solid var(--pico-muted-border-color); list-style: none; }
.mock-exchanges li:first-child { border-top: 0; }
.mock-exchanges details { margin: 0; border: 0; }
.mock-exchanges summary code { overflow-wrap: anywhere; white-space: normal; }
.mock-exchanges figure { margin: .5rem 0; }
.mock-exchanges pre { margin: .25rem 0; padding: .75rem; max-height: 24rem; overflow: auto; font-size: .8125rem; }
.mock-exchanges pre code { padding: 0; }
.mock-about { flex: 1 1 100%; color: var(--pico-muted-color); font-size: .875rem; overflow-wrap: anywhere; }
.mock-cards details { margin: 0; border: 0; }
.mock-cards dd { margin: 0 0 .5rem; overflow-wrap: anywhere; }
.mock-cards dt { color: var(--pico-muted-color); font-weight: 400; font-size: .875rem; }
`;

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

function Page({ title, selfSubmitting, children }: { title: string; selfSubmitting?: boolean; children: ComponentChildren }) {
  return (
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>{`${title} – mock identity provider`}</title>
        <link rel="stylesheet" href="/mock-idp.css" />
        {selfSubmitting === true && <script src="/mock-idp.js" defer />}
      </head>
      <body>
        <p class="notice" role="note">
          This is a <strong>mock identity provider for development</strong>. It asks for no password. Anyone who can open this page can sign
          in as any user below.
        </p>
        <main>
          <h1>{title}</h1>
          {children}
        </main>
      </body>
    </html>
  );
}

const render = (page: Parameters<typeof renderToString>[0]) => `<!doctype html>${renderToString(page)}`;

/** Renders a hidden field, or nothing if there is no value. */
function Hidden({ name, value }: { name: string; value: string | undefined }) {
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
}

/** `/`: lists the imitated identity providers and starts sign-ins. */
export function frontPage(habits: readonly Habit[], { gatewayBaseUrl, metadataUrl, organizations }: FrontPageOptions): string {
  return render(
    <Page title="Identity providers">
      <p>
        Each imitates the product that it is named after, for the gateway at <a href={gatewayBaseUrl}>{gatewayBaseUrl}</a>.
      </p>
      {organizations.length > 0 && (
        <p>
          Choose an organization, then a person. You return to the gateway signed in. Or enter one of the email addresses below on{' '}
          <a href={`${gatewayBaseUrl}/login`}>the gateway’s own sign-in page</a>.
        </p>
      )}
      {habits.map((habit) => (
        <section key={habit.name} aria-labelledby={habit.name}>
          <h2 id={habit.name}>{habit.label}</h2>
          {organizations
            .filter((organization) => organization.habit === habit.name)
            .map((organization) => (
              <OrganizationOf key={organization.slug} habit={habit} organization={organization} gatewayBaseUrl={gatewayBaseUrl} />
            ))}
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
              Start a sign-in here for the organization with the slug{' '}
              <input
                name="organization"
                required
                pattern="[a-z0-9][a-z0-9\-]{1,62}"
                value={organizations.find((organization) => organization.habit === habit.name)?.slug}
              />
            </label>{' '}
            <button type="submit">Choose a person</button>
          </form>
        </section>
      ))}
    </Page>,
  );
}

interface OrganizationOfProps {
  readonly habit: Habit;
  readonly organization: KnownOrganization;
  readonly gatewayBaseUrl: string;
}

/** Lists the people of the organization's identity provider, each with the expected outcome of the sign-in. */
function OrganizationOf({ habit, organization, gatewayBaseUrl }: OrganizationOfProps) {
  return (
    <>
      <p>
        <a class="start" href={`${gatewayBaseUrl}/saml/${organization.slug}/login`}>
          Sign in to {organization.name}
        </a>
      </p>
      <ul>
        {habit.people.map((person) => (
          <li key={person.key}>
            {person.firstName} {person.lastName}, {person.email}: {person.about}. At the gateway:{' '}
            <strong>{organization.outcomes[person.key]}</strong>
          </li>
        ))}
      </ul>
    </>
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
        <ul class="people">
          {habit.people.map((person) => (
            <li key={person.key}>
              <button type="submit" name="person" value={person.key} aria-describedby={`about-${person.key}`}>
                {person.firstName} {person.lastName}
              </button>
              <span id={`about-${person.key}`}>
                {person.email}: {person.about}
              </span>
            </li>
          ))}
        </ul>
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

/** `/mock-idp.css` */
export const STYLE = `:root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif; }
body { margin: 0; }
main { max-width: 44rem; margin: 0 auto; padding: 1rem; }
.notice { margin: 0; padding: .75rem 1rem; background: #7a3b00; color: #fff; text-align: center; }
code, dd { overflow-wrap: anywhere; }
button, input, .start { font: inherit; padding: .4rem .8rem; }
.start { display: inline-block; border: 1px solid; border-radius: .25rem; font-weight: bold; }
.people { list-style: none; padding: 0; }
.people li { display: flex; flex-wrap: wrap; gap: .25rem 1rem; align-items: center; margin: .75rem 0; }
`;

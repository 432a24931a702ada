/** A member who has signed in with a browser, and their calls of the JSON API. */
import { HttpBrowser, signIn } from './browser.ts';
import type { Answer, OrganizationJson, TestGateway } from './gateway.ts';

export interface NewTokenJson {
  readonly id: string;
  readonly name: string;
  readonly token: string;
  readonly created_at: string;
  readonly expires_at: string | null;
}

export interface SignedIn {
  readonly id: string;
  readonly email: string;
  readonly browser: HttpBrowser;
  /** Value of the Cookie header. */
  readonly cookie: string;
  readonly csrfToken: string;
  /** Calls `/api/v1` + path with the session cookie. */
  api<Body = Record<string, unknown>>(method: string, path: string, body?: unknown): Promise<Answer<Body>>;
  /** Creates a CLI token with the session. */
  makeToken(options?: { name?: string; expires_in_days?: number | null }): Promise<NewTokenJson>;
}

interface MeJson {
  readonly user: { readonly id: string; readonly email: string };
  readonly csrf_token: string;
}

/** Signs in a person of the mock identity provider. @param person key of the person */
export async function signedIn(
  gateway: Pick<TestGateway, 'url' | 'loginUrl'>,
  { slug }: Pick<OrganizationJson, 'slug'>,
  person: string,
): Promise<SignedIn> {
  const browser = new HttpBrowser();
  await signIn(browser, gateway.loginUrl(slug), person);
  const session = browser.cookie('samlgate_session');
  if (!session) throw new Error(`${person} could not sign in`);
  const cookie = `${session.name}=${session.value}`;
  const call = async <Body>(method: string, path: string, body: unknown, csrf?: string): Promise<Answer<Body>> => {
    const response = await fetch(`${gateway.url}/api/v1${path}`, {
      method,
      headers: {
        cookie,
        ...(csrf === undefined ? {} : { 'x-samlgate-csrf': csrf }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      body: body === undefined ? null : JSON.stringify(body),
    });
    const text = await response.text();
    return { status: response.status, headers: response.headers, body: (text === '' ? '' : JSON.parse(text)) as Body };
  };
  const { user, csrf_token: csrfToken } = (await call<MeJson>('GET', '/me', undefined)).body;
  return {
    id: user.id,
    email: user.email,
    browser,
    cookie,
    csrfToken,
    api: (method, path, body) => call(method, path, body, csrfToken),
    makeToken: async (options = {}) => {
      const created = await call<NewTokenJson>('POST', '/me/tokens', { name: 'test', ...options }, csrfToken);
      if (created.status !== 201) throw new Error(`The token could not be created: ${JSON.stringify(created.body)}`);
      return created.body;
    },
  };
}

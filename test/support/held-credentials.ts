/** Every credential of a signed-in user, with the requests that each of them answers. */
import type { HttpBrowser } from './browser.ts';

/** Returns the status of a request at one gateway, such as `http://127.0.0.2:8080`. Every status but 200 is a refusal. */
export type CredentialCheck = (base: string) => Promise<number>;

const post = (base: string, path: string, headers: Record<string, string>, form?: Record<string, string>) =>
  fetch(`${base}${path}`, { method: 'POST', headers, body: form ? new URLSearchParams(form) : null, redirect: 'manual' });
const jsonOf = async (response: Response) => (await response.json()) as Record<string, unknown>;

/**
 * Creates one credential of each kind at one gateway, for the user of a browser.
 * @param operatorToken for introspection, whose own credential must stay valid
 */
export async function holdCredentials(
  base: string,
  browser: HttpBrowser,
  operatorToken: string,
): Promise<Readonly<Record<string, CredentialCheck>>> {
  const session = browser.cookie('samlgate_session');
  const cookie = `${session?.name}=${session?.value}`;
  const get = (path: string, headers: Record<string, string>): CredentialCheck => {
    return async (at) => (await fetch(`${at}${path}`, { headers, redirect: 'manual' })).status;
  };
  const csrf = String((await jsonOf(await fetch(`${base}/api/v1/me`, { headers: { cookie } }))).csrf_token);
  const withCsrf = { cookie, 'x-samlgate-csrf': csrf };
  const sessionToken = String((await jsonOf(await post(base, '/api/v1/me/session-token', withCsrf))).token);
  const created = await fetch(`${base}/api/v1/me/tokens`, {
    method: 'POST',
    headers: { ...withCsrf, 'content-type': 'application/json' },
    body: JSON.stringify({ name: 'test' }),
  });
  const cliToken = String((await jsonOf(created)).token);
  const exchange = (at: string) =>
    post(
      at,
      '/oauth/token',
      {},
      {
        grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
        subject_token: cliToken,
        subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      },
    );
  const exchanged = String((await jsonOf(await exchange(base))).access_token);
  const introspect = (token: string): CredentialCheck => {
    return async (at) => {
      const answer = await post(at, '/oauth/introspect', { authorization: `Bearer ${operatorToken}` }, { token });
      return (await jsonOf(answer)).active === true ? 200 : 401;
    };
  };
  const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
  return {
    'session cookie at the API': get('/api/v1/me', { cookie }),
    'session cookie at forward authentication': get('/auth/verify', { cookie }),
    'session cookie at the console': get('/console', { cookie }),
    'session cookie for a session token': async (at) => {
      const { status } = await post(at, '/api/v1/me/session-token', withCsrf);
      return status === 201 ? 200 : status;
    },
    'session token at the API': get('/api/v1/me', bearer(sessionToken)),
    'session token at forward authentication': get('/auth/verify', bearer(sessionToken)),
    'session token at introspection': introspect(sessionToken),
    'CLI token at the API': get('/api/v1/me', bearer(cliToken)),
    'CLI token at forward authentication': get('/auth/verify', bearer(cliToken)),
    'CLI token at introspection': introspect(cliToken),
    'CLI token for a session token': async (at) => (await exchange(at)).status,
    'exchanged session token at the API': get('/api/v1/me', bearer(exchanged)),
  };
}

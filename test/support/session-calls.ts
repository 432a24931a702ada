/** Calls of the JSON API by members with a session, for tests without the mock identity provider. */
import { HttpBrowser } from './browser.ts';
import type { Answer, TestGateway } from './gateway.ts';
import type { TestOrganization } from './identity-provider.ts';

export interface List<T> {
  readonly items: readonly T[];
  readonly next_cursor: string | null;
}

export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: string;
  readonly request_id: string;
}

/** Calls `/api/v1` + path with the session of a browser and its CSRF token. */
export async function callWithSession(
  gateway: TestGateway,
  browser: HttpBrowser,
  method: string,
  path: string,
  body?: unknown,
): Promise<Answer<Record<string, unknown>>> {
  const me = await browser.request(`${gateway.url}/api/v1/me`, { headers: { accept: 'application/json' } });
  const { csrf_token } = JSON.parse(me.text) as { csrf_token: string };
  const headers = { 'x-samlgate-csrf': csrf_token, ...(body === undefined ? {} : { 'content-type': 'application/json' }) };
  const page = await browser.request(`${gateway.url}/api/v1${path}`, {
    method,
    headers,
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: page.status, headers: page.headers, body: page.text === '' ? {} : (JSON.parse(page.text) as Record<string, unknown>) };
}

/** Signs a user in with a new browser. */
export async function newSession(
  gateway: TestGateway,
  organization: TestOrganization,
  user: string,
): Promise<{ browser: HttpBrowser; id: string }> {
  const browser = new HttpBrowser();
  await organization.signIn(browser, user);
  const { body } = await callWithSession(gateway, browser, 'GET', '/me');
  return { browser, id: (body.user as { id: string }).id };
}

/** The status and the error code of an answer. */
export const verdictOf = ({ status, body }: Answer<Record<string, unknown>>) => [status, body.code];

/** Signs users in through SimpleSAMLphp's pages over plain HTTP. */
import type { HttpBrowser, Page } from '../../support/browser.ts';

const hasField = (page: Page, name: string): boolean => page.forms.some(({ fields }) => fields.some((field) => field.name === name));

/**
 * Follows a sign-in from its start to the page that carries the response, whose form is not submitted yet. The identity
 * provider asks for no password if it still has a session.
 */
export async function goToResponse(browser: HttpBrowser, start: string, user: string): Promise<Page> {
  let page = await browser.open(start);
  if (hasField(page, 'SAMLRequest')) page = await browser.submit(page);
  if (hasField(page, 'password')) page = await browser.submit(page, { username: user, password: `${user}-pass` });
  if (!hasField(page, 'SAMLResponse')) throw new Error(`no response for ${user} at ${page.url} (${page.status}):\n${page.text}`);
  return page;
}

/** Posts the response of such a page. `answer` is the gateway's answer, `page` the page it redirects to. */
export async function postResponse(browser: HttpBrowser, responsePage: Page): Promise<{ answer: Page; page: Page }> {
  const before = browser.history.length;
  const page = await browser.submit(responsePage);
  const answer = browser.history[before] as Page;
  return { answer, page };
}

export const signInAt = async (browser: HttpBrowser, start: string, user: string) =>
  postResponse(browser, await goToResponse(browser, start, user));

/** Returns the answer of `GET /api/v1/me` to this browser. */
export async function whoAmI(
  browser: HttpBrowser,
  gatewayUrl: string,
): Promise<{ status: number; user?: { email: string; role: string } }> {
  const page = await browser.request(`${gatewayUrl}/api/v1/me`, { headers: { accept: 'application/json' } });
  return { status: page.status, ...(page.status === 200 ? (JSON.parse(page.text) as { user: { email: string; role: string } }) : {}) };
}

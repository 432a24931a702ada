/** A person's way through SimpleSAMLphp's pages, by plain HTTP. */
import type { HttpBrowser, Page } from '../../support/browser.ts';

const hasField = (page: Page, name: string): boolean => page.forms.some(({ fields }) => fields.some((field) => field.name === name));

/**
 * From where a sign-in starts to the page that carries the response (its form is not submitted yet). Where the identity
 * provider still knows the person it asks for no password.
 */
export async function goToResponse(browser: HttpBrowser, start: string, user: string): Promise<Page> {
  let page = await browser.open(start);
  if (hasField(page, 'SAMLRequest')) page = await browser.submit(page);
  if (hasField(page, 'password')) page = await browser.submit(page, { username: user, password: `${user}-pass` });
  if (!hasField(page, 'SAMLResponse')) throw new Error(`no response for ${user} at ${page.url} (${page.status}):\n${page.text}`);
  return page;
}

/** Posts the response of such a page; `answer` is what the gateway answered, `page` where that led. */
export async function postResponse(browser: HttpBrowser, responsePage: Page): Promise<{ answer: Page; page: Page }> {
  const before = browser.history.length;
  const page = await browser.submit(responsePage);
  const answer = browser.history[before] as Page;
  return { answer, page };
}

export const signInAt = async (browser: HttpBrowser, start: string, user: string) =>
  postResponse(browser, await goToResponse(browser, start, user));

/** The answer of `GET /api/v1/me` to this browser. */
export async function whoAmI(
  browser: HttpBrowser,
  gatewayUrl: string,
): Promise<{ status: number; user?: { email: string; role: string } }> {
  const page = await browser.request(`${gatewayUrl}/api/v1/me`, { headers: { accept: 'application/json' } });
  return { status: page.status, ...(page.status === 200 ? (JSON.parse(page.text) as { user: { email: string; role: string } }) : {}) };
}

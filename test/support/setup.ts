/** A setup in a browser, as an IT administrator with a setup link does it. */
import { HttpBrowser, type Page } from './browser.ts';
import { type GatewayUnderTest, startedBy, type TestOrganization } from './identity-provider.ts';

export interface Setup {
  readonly browser: HttpBrowser;
  readonly linkId: string;
  page(): Promise<Page>;
  /** Opens a step of the setup. */
  step(name: string): Promise<Page>;
  /** Previews and saves metadata. `decision` is the choice about the members. */
  save(metadata: string, decision?: string): Promise<Page>;
  /** Previews metadata, and saves it with fields that the form of the preview does not offer. */
  saveWith(metadata: string, fields: Readonly<Record<string, string>>): Promise<Page>;
  /** Submits a form of the setup that its page may not show, with the CSRF token of the setup. */
  post(path: string, fields?: Readonly<Record<string, string>>): Promise<Page>;
  /** Runs a test sign-in and returns the page with its result. */
  test(organization: TestOrganization, respond?: TestOrganization['respond']): Promise<Page>;
}

/** Creates a setup link without using it. */
export const createLink = async (gateway: GatewayUnderTest, slug: string, body: object = {}): Promise<{ id: string; url: string }> =>
  (await gateway.api<{ id: string; url: string }>('POST', `/organizations/${slug}/setup-links`, body)).body;

/** Opens a setup link and starts the setup. */
export async function openSetup(gateway: GatewayUnderTest, { id, url }: { readonly id: string; readonly url: string }): Promise<Setup> {
  const browser = new HttpBrowser();
  await browser.submit(await browser.open(url));
  const page = () => browser.open(`${gateway.url}/setup/single-sign-on`);
  const step = (name: string) => browser.open(`${gateway.url}/setup/single-sign-on/steps/${name}`);
  const csrf = String((await page()).forms[0]?.fields.find(({ name }) => name === 'csrf')?.value);
  const post = (path: string, fields: Readonly<Record<string, string>> = {}) =>
    browser.request(`${gateway.url}/setup/${path}`, {
      method: 'POST',
      body: new URLSearchParams({ csrf, ...fields }),
      headers: { 'sec-fetch-site': 'same-origin' },
    });
  return {
    browser,
    linkId: id,
    page,
    step,
    post,
    save: async (metadata, decision) => {
      const preview = await browser.submit(await step('metadata'), { metadata }, '/preview');
      return browser.submit(preview, decision === undefined ? {} : { on_new_entity_id: decision }, '/save');
    },
    saveWith: async (metadata, more) => {
      const preview = await browser.submit(await step('metadata'), { metadata }, '/preview');
      const body = new FormData();
      for (const { name, value, type } of preview.forms.find(({ action }) => action.endsWith('/save'))?.fields ?? []) {
        if (type === 'hidden') body.append(name, value);
      }
      for (const [name, value] of Object.entries(more)) body.append(name, value);
      return browser.request(new URL('/setup/single-sign-on/save', preview.url).href, { method: 'POST', body, from: preview });
    },
    test: async (organization, respond = organization.respond) => {
      const { relayState, requestId } = startedBy(await post('single-sign-on/test'));
      const answer = await organization.post(browser, respond({ inResponseTo: requestId }), relayState);
      return browser.open(answer.location ?? '');
    },
  };
}

export const startSetup = async (gateway: GatewayUnderTest, slug: string, body: object = {}): Promise<Setup> =>
  openSetup(gateway, await createLink(gateway, slug, body));

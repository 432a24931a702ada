import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { HttpBrowser, type Page } from '../support/browser.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { textOf } from '../support/html.ts';
import { makeTestOrganization, startedBy, type TestOrganization } from '../support/identity-provider.ts';
import { startSetup } from '../support/setup.ts';
import { addConnection, type TestConnection } from '../support/test-connection.ts';

const DAY_MS = 86_400_000;
let aheadMs = 0;
let gateway: TestGateway;
let acme: TestOrganization;
let draft: TestConnection;
let olivia: HttpBrowser;
let operator: HttpBrowser;
beforeAll(async () => {
  gateway = await startGateway({ now: () => Date.now() + aheadMs });
});
afterAll(() => gateway.stop());
beforeEach(async () => {
  aheadMs = 0;
  acme = await makeTestOrganization(gateway);
  olivia = new HttpBrowser();
  await acme.signIn(olivia, 'olivia');
  draft = await addConnection(gateway, acme, { state: 'draft' });
  operator = new HttpBrowser();
  await operator.submit(await operator.open(`${gateway.url}/console/operator`), { token: gateway.operatorToken });
});

const at = () => `/organizations/${acme.slug}/connections`;
const shown = async (id: string) =>
  (await gateway.api<{ identifier: unknown; clock_skew_seconds: number; email_domains: string[] }>('GET', `${at()}/${id}`)).body;
const defaultId = async () => (await gateway.api<{ items: { id: string }[] }>('GET', at())).body.items[0]?.id ?? '';
const page = (path: string) => olivia.open(`${gateway.url}/console/${path}`);
const formsTo = ({ forms }: Page, end: string) => forms.filter(({ action }) => action.endsWith(end));

describe('the pages of a connection that is not the default one', () => {
  it('state the connection and that it is a draft', async () => {
    for (const path of [`single-sign-on/${draft.id}`, `single-sign-on/${draft.id}/settings`]) {
      const text = textOf((await page(path)).text);
      expect([path, /Connection \S+ draft/.test(text)]).toEqual([path, true]);
    }
    expect(textOf((await page('single-sign-on')).text)).toContain('Default active');
  });

  it('change its settings and identifier, and leave the default connection unchanged', async () => {
    await olivia.submit(await page(`single-sign-on/${draft.id}/settings`), { clock_skew_seconds: '42' });
    const overview = await page(`single-sign-on/${draft.id}`);
    await olivia.submit(overview, { attribute: 'uid' }, '/identifier');
    expect(await shown(draft.id)).toMatchObject({ clock_skew_seconds: 42, identifier: { attribute: 'uid' } });
    const first = await shown(await defaultId());
    expect(first.clock_skew_seconds).toBe(180);
    expect(first.identifier).not.toEqual({ attribute: 'uid' });
  });

  it('offer an identifier and another test for the connection of the sign-in', async () => {
    const start = await page(`single-sign-on/${draft.id}`);
    const form = formsTo(start, '/test')[0];
    const csrf = form?.fields.find(({ name }) => name === 'csrf')?.value ?? '';
    const { relayState, requestId } = startedBy(
      await olivia.request(form?.action ?? '', { method: 'POST', body: new URLSearchParams({ csrf }) }),
    );
    const values = {
      nameId: { value: '_t', format: 'urn:oasis:names:tc:SAML:2.0:nameid-format:transient' },
      attributes: [
        { name: 'email', values: ['ada@acme.example'] },
        { name: 'uid', values: ['ada'] },
      ],
    };
    const answer = await acme.post(olivia, draft.respond({ inResponseTo: requestId, values }), relayState);
    const result = await olivia.open(answer.location ?? '');
    const [again] = formsTo(result, '/test');
    expect(again?.action).toBe(`${gateway.url}/console/single-sign-on/${draft.id}/test`);
    const choice = formsTo(result, '/identifier').find(({ fields }) => fields.some(({ value }) => value === 'uid'));
    expect(choice?.action).toBe(`${gateway.url}/console/single-sign-on/${draft.id}/identifier`);
    await olivia.request(choice?.action ?? '', { method: 'POST', body: new URLSearchParams({ csrf, attribute: 'uid' }) });
    expect((await shown(draft.id)).identifier).toEqual({ attribute: 'uid' });
  });

  it('clear the email domains, in the console and with null in the API', async () => {
    const domains = async () => (await shown(draft.id)).email_domains;
    const details = async (email_domains: string) =>
      olivia.submit(await page(`single-sign-on/${draft.id}`), { name: 'Partner', email_domains }, '/details');
    await details('partner.example');
    expect(await domains()).toEqual(['partner.example']);
    await details('');
    expect(await domains()).toEqual([]);
    await details('partner.example');
    expect((await gateway.api('PATCH', `${at()}/${draft.id}`, { email_domains: null })).status).toBe(200);
    expect(await domains()).toEqual([]);
  });

  it('list the setup links with their connections', async () => {
    await gateway.api('PATCH', `${at()}/${draft.id}`, { name: 'Partner' });
    await startSetup(gateway, acme.slug, { connection: draft.id });
    expect(textOf((await page('single-sign-on')).text)).toMatch(/UTC Partner the operator used/);
  });
});

describe('the operator’s pages', () => {
  const open = async (path: string) => textOf((await operator.open(`${gateway.url}/console/operator${path}`)).text);

  it('show every connection of an organization with its state', async () => {
    const detail = await open(`/organizations/${acme.slug}`);
    expect(detail).toMatch(/Default active default/);
    expect(detail).toMatch(new RegExp(`draft ${draft.entityId}`));
  });

  it('show certificates that expire, also those of connections other than the default one', async () => {
    await gateway.api('PATCH', `${at()}/${draft.id}`, { name: 'Partner' });
    expect(await open(`/organizations/${acme.slug}`)).not.toContain('certificate');
    aheadMs = 3640 * DAY_MS;
    await operator.submit(await operator.open(`${gateway.url}/console/operator`), { token: gateway.operatorToken });
    expect(await open(`/organizations/${acme.slug}`)).toMatch(/Partner draft .*certificate expires soon/);
    expect(await open('/health')).toMatch(/Partner draft/);
    aheadMs = 3660 * DAY_MS;
    await operator.submit(await operator.open(`${gateway.url}/console/operator`), { token: gateway.operatorToken });
    expect(await open('')).toMatch(new RegExp(`${acme.slug} none live certificate expired `));
  });
});

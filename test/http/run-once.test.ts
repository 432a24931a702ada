/** Forms of the console that create something, sent several times. */
import { createServer } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { HttpBrowser, type Page } from '../support/browser.ts';
import { type OrganizationJson, startGateway, type TestGateway } from '../support/gateway.ts';
import { textOf } from '../support/html.ts';
import { type SignedIn, signedIn } from '../support/signed-in.ts';

let gateway: TestGateway;
let acme: OrganizationJson;
let olivia: SignedIn;
let operator: HttpBrowser;
let metadata: string;

beforeAll(async () => {
  gateway = await startGateway();
  acme = await gateway.makeOrganization();
  olivia = await signedIn(gateway, acme, 'olivia');
  metadata = await (await fetch((await gateway.mockIdp()).metadataUrl('entra-id'))).text();
  operator = new HttpBrowser();
  const signInPage = await operator.open(`${gateway.url}/console/operator`);
  await operator.submit(signInPage, { token: gateway.operatorToken });
});
afterAll(() => gateway.stop());

const open = (browser: HttpBrowser, path: string): Promise<Page> => browser.open(`${gateway.url}${path}`);

/** Sends one form of a page several times at once, without following the redirects. */
function sendAtOnce(browser: HttpBrowser, page: Page, values: Record<string, string>, times = 3): Promise<readonly Page[]> {
  const form = page.forms.find(({ fields }) => Object.keys(values).every((name) => fields.some((field) => field.name === name)));
  if (!form) throw new Error(`no form with ${Object.keys(values).join(', ')} in ${page.text}`);
  const body = new URLSearchParams();
  for (const { name, value, isSent } of form.fields) if (isSent && !(name in values)) body.append(name, value);
  for (const [name, value] of Object.entries(values)) body.append(name, value);
  return Promise.all(Array.from({ length: times }, () => browser.request(form.action, { method: 'POST', body, from: page })));
}

const count = async (path: string): Promise<number> => (await gateway.api<{ items: unknown[] }>('GET', path)).body.items.length;
const countTokens = async () => (await olivia.api<{ items: unknown[] }>('GET', '/me/tokens')).body.items.length;

interface Creation {
  readonly browser: () => HttpBrowser;
  readonly page: () => string;
  readonly values: () => Record<string, string>;
  readonly counted: () => Promise<number>;
}

const CREATIONS: Readonly<Record<string, Creation>> = {
  'a CLI token': {
    browser: () => olivia.browser,
    page: () => '/console',
    values: () => ({ name: 'nightly', expires_in_days: '30' }),
    counted: countTokens,
  },
  'a setup link': {
    browser: () => olivia.browser,
    page: () => '/console/single-sign-on',
    values: () => ({ expires_in_days: '7' }),
    counted: () => count(`/organizations/${acme.slug}/setup-links`),
  },
  'a setup link of the operator': {
    browser: () => operator,
    page: () => `/console/operator/organizations/${acme.slug}/single-sign-on`,
    values: () => ({ expires_in_days: '7' }),
    counted: () => count(`/organizations/${acme.slug}/setup-links`),
  },
  'an organization': {
    browser: () => operator,
    page: () => '/console/operator/organizations/new',
    values: () => ({ slug: 'once', name: 'Once' }),
    counted: () => count('/organizations?limit=200'),
  },
  'a connection': {
    browser: () => olivia.browser,
    page: () => '/console/single-sign-on',
    values: () => ({ new_name: 'Second', new_metadata_xml: metadata }),
    counted: () => count(`/organizations/${acme.slug}/connections`),
  },
  'a domain': {
    browser: () => olivia.browser,
    page: () => '/console/domains',
    values: () => ({ domain: 'once.example' }),
    counted: () => count(`/organizations/${acme.slug}/domains`),
  },
};

describe('a form that is sent several times', () => {
  it.each(Object.entries(CREATIONS))('creates %s once, and gets the same answer each time', async (_name, creation) => {
    const browser = creation.browser();
    const before = await creation.counted();
    const page = await open(browser, creation.page());
    const answers = await sendAtOnce(browser, page, creation.values());
    expect(new Set(answers.map(({ status, location }) => `${status} ${location}`)).size).toBe(1);
    expect(answers[0]?.status).toBe(303);
    const next = await browser.open(answers[0]?.location ?? '');
    expect([next.status, next.text.includes('notice problem')]).toEqual([200, false]);
    // The back button and another click, also after the result was shown.
    const [later] = await sendAtOnce(browser, page, creation.values(), 1);
    expect([later?.status, later?.location]).toEqual([303, answers[0]?.location]);
    expect(await creation.counted()).toBe(before + 1);
  });

  it('rotates the signing keys once', async () => {
    const active = async () =>
      (await gateway.api<{ items: { kid: string; state: string }[] }>('GET', '/keys')).body.items
        .filter(({ state }) => state === 'active' || state === 'retired')
        .map(({ kid }) => kid);
    const before = await active();
    const page = await open(operator, '/console/operator/keys');
    const form = page.forms.find(({ action }) => action.endsWith('/keys/rotate'));
    const body = new URLSearchParams(form?.fields.filter(({ isSent }) => isSent).map(({ name, value }) => [name, value]));
    const send = () => operator.request(form?.action ?? '', { method: 'POST', body, from: page });
    expect((await Promise.all([send(), send()])).map(({ status }) => status)).toEqual([303, 303]);
    expect(await active()).toHaveLength(before.length + 1);
  });

  it('creates another thing with a new form, or with other values', async () => {
    const before = await countTokens();
    const page = await open(olivia.browser, '/console');
    await sendAtOnce(olivia.browser, page, { name: 'one', expires_in_days: '30' }, 1);
    await sendAtOnce(olivia.browser, page, { name: 'two', expires_in_days: '30' }, 1);
    await sendAtOnce(olivia.browser, await open(olivia.browser, '/console'), { name: 'two', expires_in_days: '30' }, 1);
    expect(await countTokens()).toBe(before + 3);
  });

  it('reads the store rarely while many copies wait for the first one', async () => {
    let answer = () => {};
    const server = createServer((_request, response) => {
      answer = () => response.end(metadata.replaceAll('entityID="', 'entityID="https://other.example/'));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { store } = gateway.runtime;
    const peek = store.peek.bind(store);
    let reads = 0;
    store.peek = (partition, key) => {
      if (key.startsWith('form-result:')) reads++;
      return peek(partition, key);
    };
    try {
      const url = `http://127.0.0.1:${(server.address() as { port: number }).port}/`;
      const page = await open(olivia.browser, '/console/single-sign-on');
      const sent = sendAtOnce(olivia.browser, page, { new_name: 'Slow', new_metadata_url: url }, 30);
      await new Promise<void>((resolve) => setTimeout(resolve, 2500));
      answer();
      expect(new Set((await sent).map(({ status }) => status))).toEqual(new Set([303]));
      // Each copy alone would read every 100 ms.
      expect(reads).toBeLessThan(10);
    } finally {
      store.peek = peek;
      server.close();
    }
  });

  it('can be sent again after it was refused', async () => {
    await gateway.makeOrganization('taken');
    const page = await open(operator, '/console/operator/organizations/new');
    const send = async () => (await sendAtOnce(operator, page, { slug: 'taken', name: 'Taken' }, 1))[0]?.status;
    expect(await send()).toBe(409);
    expect((await gateway.api('DELETE', '/organizations/taken')).status).toBe(204);
    expect(await send()).toBe(303);
  });
});

describe('a secret that is shown once', () => {
  const tokenIn = (page: Page) => /samlgate_cli_[\w.-]+/.exec(page.text)?.[0];
  const create = async (browser = olivia.browser) => {
    const page = await open(browser, '/console');
    const [answer] = await sendAtOnce(browser, page, { name: 'secret', expires_in_days: '30' }, 1);
    if (!answer?.location) throw new Error('no redirect');
    return { page, answer, location: answer.location };
  };

  it('is on the page after the redirect, and not after a reload', async () => {
    const { answer, location } = await create();
    expect(answer.text).not.toContain('samlgate_cli_');
    expect(location).not.toContain('samlgate_cli_');
    const shown = await olivia.browser.open(location);
    expect([shown.status, shown.headers.get('cache-control')]).toEqual([200, 'no-store']);
    const token = tokenIn(shown) ?? '';
    expect((await gateway.api('GET', '/me', undefined, token)).status).toBe(200);
    const reloaded = await olivia.browser.open(location);
    expect([reloaded.url, tokenIn(reloaded)]).toEqual([`${gateway.url}/console`, undefined]);
    expect(textOf(reloaded.text)).toContain('shown only once');
  });

  it('is shown once, even if the form is sent again or the page is opened several times at once', async () => {
    const { page, location } = await create();
    const cookie = olivia.browser.cookie('samlgate_form');
    const pages = await Promise.all(Array.from({ length: 5 }, () => olivia.browser.request(location)));
    expect(pages.filter((each) => tokenIn(each) !== undefined)).toHaveLength(1);
    await sendAtOnce(olivia.browser, page, { name: 'secret', expires_in_days: '30' }, 1);
    expect(tokenIn(await olivia.browser.open(location))).toBeUndefined();
    olivia.browser.setCookie(gateway.url, 'samlgate_form', cookie?.value ?? '');
    expect(tokenIn(await olivia.browser.open(location))).toBeUndefined();
  });

  it('is shown after a double click whose first answer the browser dropped', async () => {
    const page = await open(olivia.browser, '/console');
    const [, second] = await sendAtOnce(olivia.browser, page, { name: 'double', expires_in_days: '30' }, 2);
    expect(tokenIn(await olivia.browser.open(second?.location ?? ''))).toMatch(/^samlgate_cli_/);
  });

  it('is not shown to another session, member or organization that has the key of the form', async () => {
    const { location } = await create();
    const key = olivia.browser.cookie('samlgate_form')?.value ?? '';
    const others = [
      await signedIn(gateway, acme, 'olivia'),
      await signedIn(gateway, acme, 'carl'),
      await signedIn(gateway, await gateway.makeOrganization(), 'olivia'),
    ];
    for (const { browser } of others) {
      browser.setCookie(gateway.url, 'samlgate_form', key);
      expect(tokenIn(await browser.open(location))).toBeUndefined();
    }
    expect(tokenIn(await olivia.browser.open(location))).toBeDefined();
  });

  it('is not readable in the store', async () => {
    const { store } = gateway.runtime;
    const commit = store.commit.bind(store);
    const written: string[] = [];
    store.commit = (partition, steps, options) => {
      written.push(JSON.stringify(steps));
      return commit(partition, steps, options);
    };
    const { location } = await create().finally(() => {
      store.commit = commit;
    });
    const token = tokenIn(await olivia.browser.open(location)) ?? '';
    expect(token).not.toBe('');
    expect(written.join('\n')).toContain('form-secret:');
    expect(written.join('\n')).not.toContain(token.split('.')[2]);
  });
});

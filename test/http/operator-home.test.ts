import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { flushSignInLog } from '../../src/auth/sign-in-log/record-sign-in.ts';
import { HttpBrowser, type Page } from '../support/browser.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { textOf } from '../support/html.ts';
import { makeTestOrganization, type TestOrganization } from '../support/identity-provider.ts';
import { newSlug } from '../support/new-slug.ts';
import { startSetup } from '../support/setup.ts';

let gateway: TestGateway;
let operator: HttpBrowser;
let aheadMs = 0;

beforeAll(async () => {
  gateway = await startGateway({ now: () => Date.now() + aheadMs });
  operator = new HttpBrowser();
  await operator.submit(await operator.open(`${gateway.url}/console/operator`), { token: gateway.operatorToken });
});
afterAll(() => gateway.stop());

const home = () => operator.open(`${gateway.url}/console/operator`);
const open = (path: string) => operator.open(`${gateway.url}/console/operator/organizations/${path}`);
const slugIn = ({ url }: Page) => new URL(url).pathname.split('/').at(-1);
/** The text of the row of an organization. */
const rowOf = async (slug: string) => {
  await flushSignInLog(gateway.runtime);
  const row = (await home()).text.split('<tr').find((part) => part.includes(`<div class="sub">${slug}</div>`));
  return textOf(`<tr${row ?? ''}`);
};

describe('operator home: a new organization', () => {
  const create = async (fields: Record<string, string>) => operator.submit(await open('new'), fields, '/organizations/new');

  it('gets a slug from its name if the field is empty, and another one if that is taken', async () => {
    const name = `Müller ${newSlug()}`;
    const first = await create({ name });
    const slug = slugIn(first) ?? '';
    expect(slug).toMatch(/^muller-/);
    expect(slugIn(await create({ name }))).toBe(`${slug}-2`);
    expect(slugIn(await create({ name, slug: `own-${slug}` }))).toBe(`own-${slug}`);
  });

  it('keeps what was entered if the slug is taken or the name gives none', async () => {
    const { slug } = await gateway.makeOrganization();
    const taken = await create({ name: 'Again', slug });
    expect([taken.status, taken.text.includes('value="Again"')]).toEqual([409, true]);
    const none = await create({ name: '東京' });
    expect([none.status, textOf(none.text).includes('no Latin letters or digits')]).toEqual([400, true]);
  });

  it('shows the next steps with their state until an owner has signed in', async () => {
    const acme = await makeTestOrganization(gateway);
    await gateway.api('DELETE', `/organizations/${acme.slug}/identity-provider`);
    const page = await open(acme.slug);
    expect(textOf(page.text)).toContain('Next steps');
    const link = await operator.submit(page, {}, '/single-sign-on/setup-links');
    expect(textOf(link.text)).toContain('Copy this link now.');
    expect(textOf((await open(acme.slug)).text)).toContain('invited');
    const setup = await startSetup(gateway, acme.slug);
    expect(textOf((await open(acme.slug)).text)).toContain('The IT administrator started the setup');
    await setup.save(acme.metadata);
    expect(await rowOf(acme.slug)).toContain('in setup');
    await setup.test(acme);
    expect(await rowOf(acme.slug)).toContain('tested');
    await setup.post('single-sign-on/go-live');
    expect(textOf((await open(acme.slug)).text)).toMatch(/Connect the identity provider done .*Test and go live done An owner signs in/);
    await acme.signIn(new HttpBrowser(), 'olivia');
    expect(textOf((await open(acme.slug)).text)).not.toContain('Next steps');
  });
});

describe('operator home: the state of sign-ins', () => {
  const refuse = async (acme: TestOrganization, times: number, options: object) => {
    for (let i = 0; i < times; i++) await acme.post(new HttpBrowser(), acme.respond(options));
  };
  const wrongAudience = { values: { audiences: [['https://other.example']] } };

  it('is live with the last sign-in, and failing after several refusals, until a user signs in', async () => {
    const acme = await makeTestOrganization(gateway);
    expect(await rowOf(acme.slug)).toMatch(/live/);
    await acme.signIn(new HttpBrowser(), 'olivia');
    expect(await rowOf(acme.slug)).toContain('last sign-in');
    await refuse(acme, 2, wrongAudience);
    expect(await rowOf(acme.slug)).not.toContain('failing');
    await refuse(acme, 1, wrongAudience);
    expect(await rowOf(acme.slug)).toContain('failing');
    expect(textOf((await home()).text)).toContain('sign-ins have failed since');
    await acme.signIn(new HttpBrowser(), 'carl');
    expect(await rowOf(acme.slug)).not.toContain('failing');
  });

  it('is not reported as failing because of users without a role, or of forged responses', async () => {
    const acme = await makeTestOrganization(gateway);
    await gateway.api('PUT', `/organizations/${acme.slug}/role-mapping`, {
      rules: [{ group: 'platform-admins', role: 'owner' }],
      default_role: 'none',
    });
    await refuse(acme, 4, { user: 'carl' });
    for (let i = 0; i < 4; i++) await acme.post(new HttpBrowser(), '<x/>');
    expect(await rowOf(acme.slug)).not.toContain('failing');
    expect(await rowOf(acme.slug)).not.toContain('unknown signature');
  });

  it('does not call forged responses a failure, but says that their signature is unknown', async () => {
    const acme = await makeTestOrganization(gateway);
    for (let i = 0; i < 4; i++) await acme.post(new HttpBrowser(), acme.respond().replaceAll('olivia@', 'victim@'));
    expect(await rowOf(acme.slug)).not.toContain('failing');
    expect(await rowOf(acme.slug)).toContain('unknown signature');
    expect(textOf((await home()).text)).toContain('responses with an unknown signature since');
    await acme.signIn(new HttpBrowser(), 'olivia');
    expect(await rowOf(acme.slug)).not.toContain('unknown signature');
  });

  it('reads one record for each organization of the page', async () => {
    const acme = await makeTestOrganization(gateway);
    const { store } = gateway.runtime;
    const get = store.get.bind(store);
    let reads = 0;
    store.get = (partition, collection, id) => {
      if (partition === acme.id) reads++;
      return get(partition, collection, id);
    };
    await home();
    store.get = get;
    expect(reads).toBeLessThanOrEqual(3);
  });

  it('warns of certificates that expire without a replacement', async () => {
    const acme = await makeTestOrganization(gateway);
    expect(textOf((await home()).text)).not.toContain(`${acme.slug} : a certificate`);
    aheadMs = 3640 * 86_400_000;
    const late = new HttpBrowser();
    await late.submit(await late.open(`${gateway.url}/console/operator`), { token: gateway.operatorToken });
    const text = textOf((await late.open(`${gateway.url}/console/operator`)).text);
    aheadMs = 0;
    expect(text).toContain('Needs attention');
    expect(text).toMatch(/a certificate expires/);
  });
});

describe('operator pages: SCIM tokens', () => {
  it('are warned about 14 days before the last one of a connection expires', async () => {
    const organization = await makeTestOrganization(gateway);
    const create = (name: string) =>
      gateway.api('POST', `/organizations/${organization.slug}/scim-tokens`, { name, expires_in_days: 10 + 14 });
    expect((await create('Okta')).status).toBe(201);
    const warned = async () => {
      const { body } = await gateway.api<{ name: string }>('GET', `/organizations/${organization.slug}`);
      const shown = await home();
      const attention = textOf(shown.text.split('<table')[0] ?? '').includes(`${body.name} : a SCIM token expires`);
      return [attention, textOf((await open(organization.slug)).text).includes('The SCIM token Okta expires')];
    };
    expect(await warned()).toEqual([false, false]);
    const before = aheadMs;
    aheadMs += 11 * 86_400_000;
    await operator.submit(await operator.open(`${gateway.url}/console/operator`), { token: gateway.operatorToken });
    try {
      expect(await warned()).toEqual([true, true]);
      expect((await open(`${organization.slug}/provisioning`)).status).toBe(200);
      expect((await create('Next')).status).toBe(201);
      expect(await warned()).toEqual([false, false]);
    } finally {
      aheadMs = before;
    }
  });
});

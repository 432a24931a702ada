import { request as httpRequest } from 'node:http';
import { afterAll, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { Logo } from '../../src/client/api-types.ts';
import { createClient } from '../../src/client/client.ts';
import { LOGO, LOGO_IMAGE, LOGO_RECORD } from '../../src/organizations/logo/logo.ts';
import { HttpBrowser } from '../support/browser.ts';
import { type OrganizationJson, startGateway, type TestGateway } from '../support/gateway.ts';
import { textOf } from '../support/html.ts';
import { JPEG, PNG, pngOf, pngWithChunk, WEBP } from '../support/images.ts';
import { type SignedIn, signedIn } from '../support/signed-in.ts';

let gateway: TestGateway;
let acme: OrganizationJson;
let olivia: SignedIn;
let carl: SignedIn;
let operator: HttpBrowser;
let ownerToken: string;

beforeAll(async () => {
  gateway = await startGateway();
  acme = await gateway.makeOrganization();
  [olivia, carl] = [await signedIn(gateway, acme, 'olivia'), await signedIn(gateway, acme, 'carl')];
  ownerToken = (await olivia.makeToken()).token;
  operator = new HttpBrowser();
  await operator.submit(await operator.open(`${gateway.url}/console/operator`), { token: gateway.operatorToken });
});
afterAll(() => gateway.stop());
beforeEach(async () => {
  await gateway.api('DELETE', `/organizations/${acme.slug}/logo`);
});

async function put(image: Buffer<ArrayBuffer>, { type = 'image/png', token = ownerToken, slug = acme.slug, url = gateway.url } = {}) {
  const response = await fetch(`${url}/api/v1/organizations/${slug}/logo`, {
    method: 'PUT',
    headers: { authorization: `Bearer ${token}`, 'content-type': type },
    body: image,
  });
  const body = (await response.json()) as Partial<Logo> & { readonly code?: string };
  return { status: response.status, body };
}

const get = (slug = acme.slug, token = ownerToken) =>
  gateway.api<Partial<Logo> & { readonly code?: string }>('GET', `/organizations/${slug}/logo`, undefined, token);
const eventsOf = async ({ slug } = acme) => {
  const { body } = await gateway.api<{ items: { event: string; actor: { kind: string }; details?: unknown }[] }>(
    'GET',
    `/organizations/${slug}/audit?limit=200`,
  );
  return body.items.filter(({ event }) => event.startsWith('logo.'));
};

describe('the logo in the API', () => {
  it('is set, described and removed, with an audit entry for each change', async () => {
    const before = (await eventsOf()).length;
    expect(await get()).toMatchObject({ status: 404, body: { code: 'not_found' } });
    const { status, body } = await put(PNG);
    const expected = { content_type: 'image/png', width: 40, height: 24, bytes: PNG.length };
    expect([status, body]).toEqual([200, { ...expected, url: expect.any(String), updated_at: expect.any(String) }]);
    expect(await get()).toMatchObject({ status: 200, body });
    await put(PNG);
    expect(await get()).toMatchObject({ status: 200, body });
    await put(WEBP, { type: 'application/octet-stream' });
    expect((await get()).body).toMatchObject({ content_type: 'image/webp' });
    for (const _ of [1, 2]) {
      expect((await gateway.api('DELETE', `/organizations/${acme.slug}/logo`, undefined, ownerToken)).status).toBe(204);
    }
    expect((await get()).status).toBe(404);
    const events = (await eventsOf()).slice(0, -before || undefined);
    expect(events.map(({ event, actor: { kind } }) => [event, kind])).toEqual([
      ['logo.removed', 'member'],
      ['logo.changed', 'member'],
      ['logo.changed', 'member'],
    ]);
    expect(events[2]?.details).toEqual({ type: 'image/png', width: 40, height: 24, octets: PNG.length });
  });

  it('is set once by many requests at the same time', async () => {
    const before = (await eventsOf()).length;
    const answers = await Promise.all(Array.from({ length: 8 }, () => put(JPEG, { type: 'image/jpeg' })));
    expect(answers.map(({ status }) => status)).toEqual(Array(8).fill(200));
    expect((await eventsOf()).length - before).toBe(1);
  });

  it.each([
    [
      'an SVG',
      Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'),
      'image/png',
      400,
      'validation_failed',
    ],
    ['the content type of an SVG', PNG, 'image/svg+xml', 400, 'validation_failed'],
    ['a form', PNG, 'multipart/form-data; boundary=x', 400, 'validation_failed'],
    ['a page', Buffer.from('<!doctype html><script>alert(1)</script>'), 'application/octet-stream', 400, 'validation_failed'],
    ['an image that is too wide', pngOf(1025, 1), 'image/png', 400, 'validation_failed'],
    ['an image that is too high', pngOf(1, 1025), 'image/png', 400, 'validation_failed'],
    ['an image without width', pngOf(0, 24), 'image/png', 400, 'validation_failed'],
    ['an empty body', Buffer.alloc(0), 'image/png', 400, 'validation_failed'],
    ['more than 64 KiB', pngWithChunk('tEXt', Buffer.alloc(65_536)), 'image/png', 413, 'payload_too_large'],
  ])('refuses %s', async (_what, image, type, status, code) => {
    expect(await put(image, { type })).toMatchObject({ status, body: { code } });
    expect((await get()).status).toBe(404);
  });

  it('accepts exactly 64 KiB and 1024 × 1024 pixels', async () => {
    const image = pngWithChunk('tEXt', Buffer.alloc(65_536 - PNG.length - 12));
    image.writeUInt32BE(1024, 16);
    image.writeUInt32BE(1024, 20);
    expect(await put(image)).toMatchObject({ status: 200, body: { bytes: 65_536, width: 1024, height: 1024 } });
  });

  it('is changed by owners of the organization and the operator only', async () => {
    const other = await gateway.makeOrganization();
    const stranger = (await (await signedIn(gateway, other, 'olivia')).makeToken()).token;
    const session = (await olivia.api<{ token: string }>('POST', '/me/session-token')).body.token;
    const collaborator = (await carl.makeToken()).token;
    expect(await put(PNG, { token: stranger })).toMatchObject({ status: 404, body: { code: 'organization_unknown' } });
    expect(await put(PNG, { token: collaborator })).toMatchObject({ status: 403, body: { code: 'forbidden' } });
    expect(await put(PNG, { token: session })).toMatchObject({ status: 403, body: { code: 'forbidden' } });
    expect(await put(PNG, { token: 'x' })).toMatchObject({ status: 401, body: { code: 'unauthenticated' } });
    expect((await get()).status).toBe(404);
    expect((await put(PNG, { token: gateway.operatorToken })).status).toBe(200);
    for (const [token, status] of [
      [stranger, 404],
      [collaborator, 403],
    ] as const) {
      expect((await gateway.api('DELETE', `/organizations/${acme.slug}/logo`, undefined, token)).status).toBe(status);
      expect((await get(acme.slug, token)).status).toBe(status);
    }
    expect((await get()).status).toBe(200);
  });

  it('refuses a stranger before the body is read', async () => {
    const status = await new Promise<number | undefined>((resolve, reject) => {
      const headers = { authorization: 'Bearer x', 'content-type': 'image/png', 'content-length': 65_536 };
      const request = httpRequest(`${gateway.url}/api/v1/organizations/${acme.slug}/logo`, { method: 'PUT', headers }, (response) => {
        resolve(response.statusCode);
        request.destroy();
      });
      request.on('error', reject);
      // The rest of the body never comes.
      request.write(PNG);
    });
    expect(status).toBe(401);
  });

  it('is set 30 times an hour at most, in the API and the console together, but can always be removed', async () => {
    const limited = await startGateway({ environment: { SAMLGATE_RATE_LIMITS: 'on' } });
    try {
      const [flooded, quiet] = [await limited.makeOrganization(), await limited.makeOrganization()];
      const set = ({ slug }: OrganizationJson, image: Buffer<ArrayBuffer>) =>
        put(image, { url: limited.url, slug, token: limited.operatorToken });
      const browser = new HttpBrowser();
      await browser.submit(await browser.open(`${limited.url}/console/operator`), { token: limited.operatorToken });
      const page = await browser.open(`${limited.url}/console/operator/organizations/${flooded.slug}/branding`);
      const upload = () => browser.submit(page, { logo: new File([JPEG], 'logo.jpg') }, '/branding');
      expect((await upload()).text).toContain('The logo is saved.');
      for (let i = 0; i < 29; i++) expect((await set(flooded, i % 2 ? WEBP : PNG)).status).toBe(200);
      expect(await set(flooded, WEBP)).toMatchObject({ status: 429, body: { code: 'rate_limited' } });
      const refused = await upload();
      expect([refused.status, refused.code]).toEqual([429, 'rate_limited']);
      const { url } = await limited.api<Logo>('GET', `/organizations/${flooded.slug}/logo`).then(({ body }) => body);
      expect(Buffer.from(await (await fetch(url)).arrayBuffer())).toEqual(PNG);
      expect((await set(quiet, PNG)).status).toBe(200);
      expect((await limited.api('DELETE', `/organizations/${flooded.slug}/logo`)).status).toBe(204);
      expect((await set(flooded, PNG)).status).toBe(429);
    } finally {
      await limited.stop();
    }
  });

  it('is lost with the organization', async () => {
    const { slug } = await gateway.makeOrganization();
    const { url = '' } = (await put(PNG, { slug, token: gateway.operatorToken })).body;
    expect((await fetch(url)).status).toBe(200);
    await gateway.api('DELETE', `/organizations/${slug}`);
    expect((await fetch(url)).status).toBe(404);
    await gateway.makeOrganization(slug);
    expect((await fetch(url)).status).toBe(404);
    expect((await get(slug, gateway.operatorToken)).status).toBe(404);
  });

  it('is set by samlgate/client', async () => {
    const { logo } = createClient({ url: gateway.url, token: ownerToken });
    const set = await logo.set(acme.slug, PNG);
    expect(await logo.get(acme.slug)).toEqual(set);
    await logo.remove(acme.slug);
    await expect(logo.get(acme.slug)).rejects.toMatchObject({ code: 'not_found' });
  });
});

describe('the address of a logo', () => {
  it('serves the image as nothing but an image', async () => {
    const { url = '' } = (await put(JPEG, { type: 'image/png' })).body;
    const response = await fetch(url);
    expect(Buffer.from(await response.arrayBuffer())).toEqual(JPEG);
    expect(response.status).toBe(200);
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'content-type': 'image/jpeg',
      'content-length': String(JPEG.length),
      'x-content-type-options': 'nosniff',
      'content-security-policy': "default-src 'none'; sandbox",
      'cache-control': 'public, max-age=31536000, immutable',
      'cross-origin-resource-policy': 'same-origin',
    });
    expect(response.headers.has('set-cookie')).toBe(false);
  });

  it('changes with the image, and answers the same for every address that is none', async () => {
    const first = (await put(PNG)).body.url ?? '';
    const second = (await put(WEBP)).body.url ?? '';
    expect(second).not.toBe(first);
    const withoutLogo = await gateway.makeOrganization();
    const addresses = [
      first,
      second.replace(acme.slug, withoutLogo.slug),
      second.replace(acme.slug, 'no-such-organization'),
      second.replace(acme.slug, 'NO_SUCH%00SLUG'),
      second.replace(/[^/]+$/, 'x'),
    ];
    const answers = await Promise.all(
      addresses.map(async (address) => {
        const response = await fetch(address, { headers: { accept: 'application/json' } });
        const { request_id: _, ...problem } = (await response.json()) as Record<string, unknown>;
        return [response.status, problem];
      }),
    );
    expect(answers[0]).toEqual([404, expect.objectContaining({ code: 'not_found' })]);
    for (const answer of answers) expect(answer).toEqual(answers[0]);
  });

  it('costs strangers no read of the image unless its hash is right, and pages none at all', async () => {
    const { url = '' } = (await put(PNG)).body;
    const browser = new HttpBrowser();
    await browser.request(`${gateway.url}/login`, { method: 'POST', body: new URLSearchParams({ who: acme.slug }) });
    const link = (await gateway.api<{ url: string }>('POST', `/organizations/${acme.slug}/setup-links`, {})).body.url;
    const read = jest.spyOn(gateway.runtime.store, 'get');
    const imagesRead = () => read.mock.calls.filter(([, { name }]) => name === LOGO_IMAGE.name).length;
    try {
      expect((await browser.open(`${gateway.url}/login`)).text).toContain(new URL(url).pathname);
      expect((await new HttpBrowser().open(link)).text).toContain(new URL(url).pathname);
      expect((await olivia.browser.open(`${gateway.url}/console/branding`)).text).toContain(new URL(url).pathname);
      expect((await get()).status).toBe(200);
      expect((await fetch(url.replace(/[^/]+$/, 'x'))).status).toBe(404);
      expect(read.mock.calls.some(([, { name }]) => name === LOGO.name)).toBe(true);
      expect(imagesRead()).toBe(0);
      expect((await fetch(url)).status).toBe(200);
      expect(imagesRead()).toBe(1);
    } finally {
      read.mockRestore();
    }
  });

  it('always serves the image of its hash while the logo changes', async () => {
    const images = [PNG, WEBP];
    let isChanging = true;
    const changes = (async () => {
      for (let i = 0; i < 20; i++) await put(images[i % 2] ?? PNG);
      isChanging = false;
    })();
    const { url = '' } = (await put(PNG)).body;
    while (isChanging) {
      const response = await fetch(url);
      const octets = Buffer.from(await response.arrayBuffer());
      if (response.status === 200) expect(octets).toEqual(PNG);
      else expect(response.status).toBe(404);
    }
    await changes;
  });

  it('leaves nothing behind when the logo is removed', async () => {
    await put(PNG);
    await gateway.api('DELETE', `/organizations/${acme.slug}/logo`, undefined, ownerToken);
    const { store } = gateway.runtime;
    for (const collection of [LOGO, LOGO_IMAGE]) expect(await store.get<never>(acme.id, collection, LOGO_RECORD)).toBeUndefined();
  });

  it('is limited for each client', async () => {
    const limited = await startGateway({ environment: { SAMLGATE_RATE_LIMITS: 'on' } });
    const answers: number[] = [];
    for (let i = 0; i < 301; i++) answers.push((await fetch(`${limited.url}/saml/none/logo/x`)).status);
    await limited.stop();
    expect([answers[299], answers[300]]).toEqual([404, 429]);
  });
});

describe('pages with a logo', () => {
  const logoIn = (page: { readonly text: string }) =>
    /<img class="logo" src="([^"]+)" alt(?:="")? width="(\d+)" height="(\d+)"/.exec(page.text);

  it('is shown on the sign-in page of a browser that chose the organization, and by a setup link', async () => {
    const { url = '' } = (await put(pngOf(800, 100))).body;
    const browser = new HttpBrowser();
    const stranger = await browser.open(`${gateway.url}/login`);
    expect(logoIn(stranger)).toBeNull();
    await browser.request(`${gateway.url}/login`, { method: 'POST', body: new URLSearchParams({ who: acme.slug }) });
    const page = await browser.open(`${gateway.url}/login`);
    expect(logoIn(page)?.slice(1)).toEqual([new URL(url).pathname, '200', '25']);
    const link = (await gateway.api<{ url: string }>('POST', `/organizations/${acme.slug}/setup-links`, {})).body.url;
    expect(logoIn(await new HttpBrowser().open(link))?.[1]).toBe(new URL(url).pathname);
    await gateway.api('DELETE', `/organizations/${acme.slug}/logo`);
    expect(logoIn(await browser.open(`${gateway.url}/login`))).toBeNull();
    expect((await browser.open(`${gateway.url}/login`)).text).toContain('class="mark"');
  });

  it('sets, replaces and removes it in the console, for owners and the operator', async () => {
    const bases = [
      [olivia.browser, `${gateway.url}/console/branding`],
      [operator, `${gateway.url}/console/operator/organizations/${acme.slug}/branding`],
    ] as const;
    for (const [browser, href] of bases) {
      const empty = await browser.open(href);
      expect(logoIn(empty)).toBeNull();
      const saved = await browser.submit(empty, { logo: new File([PNG], 'logo.png', { type: 'image/png' }) }, '/branding');
      expect([saved.url, textOf(saved.text)]).toEqual([href, expect.stringContaining('The logo is saved.')]);
      expect(logoIn(saved)?.[1]).toBe(new URL((await get()).body.url ?? '').pathname);
      const svg = new File(['<svg/>'], 'logo.svg', { type: 'image/svg+xml' });
      const refused = await browser.submit(saved, { logo: svg }, '/branding');
      expect([refused.status, textOf(refused.text)]).toEqual([400, expect.stringContaining('SVG is not accepted')]);
      const large = new File([pngWithChunk('tEXt', Buffer.alloc(65_536))], 'logo.png');
      expect((await browser.submit(refused, { logo: large }, '/branding')).status).toBe(413);
      const huge = await browser.submit(refused, { logo: new File([Buffer.alloc(2_000_000)], 'logo.png') }, '/branding');
      expect([huge.status, textOf(huge.text)]).toEqual([413, expect.stringContaining('a logo at most 64 KiB')]);
      const none = await browser.submit(refused, { logo: new File([], '') }, '/branding');
      expect([none.status, textOf(none.text)]).toEqual([400, expect.stringContaining('Choose an image file.')]);
      expect((await get()).status).toBe(200);
      const removed = await browser.submit(saved, {}, '/branding/remove');
      expect(textOf(removed.text)).toContain('The logo is removed.');
      expect((await get()).status).toBe(404);
    }
  });

  it('is not open to collaborators and setup links, or to forms of other sites', async () => {
    const body = () => {
      const form = new FormData();
      form.set('logo', new File([PNG], 'logo.png'));
      return form;
    };
    const ofCarl = body();
    ofCarl.set('csrf', carl.csrfToken);
    const refused = await carl.browser.request(`${gateway.url}/console/branding`, { method: 'POST', body: ofCarl });
    expect([refused.status, refused.code]).toEqual([403, 'forbidden']);
    const forged = await olivia.browser.request(`${gateway.url}/console/branding`, { method: 'POST', body: body() });
    expect([forged.status, forged.code]).toEqual([403, 'forbidden']);
    const setup = new HttpBrowser();
    const link = (await gateway.api<{ url: string }>('POST', `/organizations/${acme.slug}/setup-links`, {})).body.url;
    await setup.submit(await setup.open(link), {});
    expect((await setup.request(`${gateway.url}/setup/branding`)).status).toBe(404);
    expect((await get()).status).toBe(404);
  });
});

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { HttpBrowser, type Page, signIn } from '../support/browser.ts';
import { type OrganizationJson, startGateway, type TestGateway } from '../support/gateway.ts';
import { readLinks, textOf } from '../support/html.ts';
import { newSlug } from '../support/new-slug.ts';
import { type SignedIn, signedIn } from '../support/signed-in.ts';

const DEVICE_CODE = 'urn:ietf:params:oauth:grant-type:device_code';

let gateway: TestGateway;
let offsetMs = 0;
let organization: OrganizationJson;
let carl: SignedIn;

beforeAll(async () => {
  gateway = await startGateway({ now: () => Date.now() + offsetMs });
  organization = await gateway.makeOrganization();
  carl = await signedIn(gateway, organization, 'carl');
});
afterAll(() => gateway.stop());

interface DeviceJson {
  readonly device_code: string;
  readonly user_code: string;
  readonly verification_uri: string;
  readonly verification_uri_complete: string;
  readonly expires_in: number;
  readonly interval: number;
}

async function post(path: string, form: Record<string, string>): Promise<{ status: number; body: Record<string, unknown> }> {
  const headers = { 'user-agent': 'samlgate/0.1.0' };
  const response = await fetch(`${gateway.url}/oauth/${path}`, { method: 'POST', headers, body: new URLSearchParams(form) });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

async function start(more: Record<string, string> = {}): Promise<DeviceJson> {
  const { status, body } = await post('device_authorization', { client_id: 'samlgate-cli', ...more });
  if (status !== 200) throw new Error(JSON.stringify(body));
  return body as unknown as DeviceJson;
}

/** Polls as a terminal, at the allowed interval. Returns the token or the OAuth error. */
async function poll({ device_code }: DeviceJson): Promise<string> {
  offsetMs += 5000;
  const { body } = await post('token', { grant_type: DEVICE_CODE, device_code, client_id: 'samlgate-cli' });
  return String(body.access_token ?? body.error);
}

const codeOf = (page: Page): string | number => page.code ?? page.status;
const open = (code: DeviceJson, person = carl): Promise<Page> => person.browser.open(code.verification_uri_complete);
const answer = async (code: DeviceJson, action: 'approve' | 'deny', person = carl): Promise<Page> =>
  person.browser.submit(await open(code, person), { action }, '/device');
const meStatus = async (token: string): Promise<number> => (await gateway.api('GET', '/me', undefined, token)).status;

describe('device authorization (RFC 8628)', () => {
  test('gives the terminal an unambiguous user code', async () => {
    const code = await start();
    expect(code).toEqual({
      device_code: expect.stringMatching(/^[\w-]{43}$/),
      user_code: expect.stringMatching(/^[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}$/),
      verification_uri: `${gateway.url}/device`,
      verification_uri_complete: `${gateway.url}/device?user_code=${code.user_code}`,
      expires_in: 600,
      interval: 5,
    });
  });

  test('waits for the approval, and returns a CLI token of the user once', async () => {
    const code = await start({ token_name: 'ada’s laptop' });
    expect(await poll(code)).toBe('authorization_pending');
    const page = await open(code);
    expect(page.text).toContain(code.user_code);
    for (const fact of ['127.0.0.1', 'samlgate/0.1.0', 'ada’s laptop', 'Carl Čapek', 'collaborator', `Test ${organization.slug}`])
      expect(page.text).toContain(fact);
    expect(textOf(page.text)).toContain('Approve only if you just started this with samlgate login');
    expect(await poll(code)).toBe('authorization_pending');
    const answered = await carl.browser.submit(page, { action: 'approve' }, '/device');
    expect([answered.status, answered.text]).toEqual([200, expect.stringContaining('The terminal is signed in')]);
    expect(answered.text).toContain('<a href="/console">list of your CLI tokens</a>');
    const token = await poll(code);
    expect(token).toMatch(/^samlgate_cli_/);
    const { body } = await gateway.api<{ user: { id: string } }>('GET', '/me', undefined, token);
    expect(body.user.id).toBe(carl.id);
    const { items } = (await carl.api<{ items: { name: string }[] }>('GET', '/me/tokens')).body;
    expect(items[0]?.name).toBe('ada’s laptop');
    expect(await poll(code)).toBe('invalid_grant');
  });

  test('records the approval in the audit trail, with the name and the address of the terminal', async () => {
    const code = await start({ token_name: 'build server' });
    await answer(code, 'approve');
    const path = `/organizations/${organization.slug}/audit?event=device_login.approved&limit=1`;
    const { items } = (await gateway.api<{ items: object[] }>('GET', path)).body;
    expect(items[0]).toMatchObject({
      member_id: carl.id,
      actor: { kind: 'member', id: carl.id },
      details: { name: 'build server', terminal_address: expect.stringContaining('127.0.0.1') },
    });
  });

  test('returns no token after a denial, and records the denial in the audit trail', async () => {
    const code = await start();
    expect((await answer(code, 'deny')).text).toContain('The terminal was denied access');
    expect(await poll(code)).toBe('access_denied');
    expect(await poll(code)).toBe('invalid_grant');
    const { items } = (await gateway.api<{ items: { event: string }[] }>('GET', `/organizations/${organization.slug}/audit?limit=1`)).body;
    expect(items[0]?.event).toBe('device_login.denied');
  });

  test('answers slow_down if polled more often than every five seconds (§3.5)', async () => {
    const code = await start();
    const ask = async () =>
      (await post('token', { grant_type: DEVICE_CODE, device_code: code.device_code, client_id: 'samlgate-cli' })).body.error;
    expect(await ask()).toBe('authorization_pending');
    expect(await ask()).toBe('slow_down');
    await answer(code, 'approve');
    expect(await ask()).toBe('slow_down');
    expect(await poll(code)).toMatch(/^samlgate_cli_/);
  });

  test('accepts both codes for ten minutes', async () => {
    const code = await start();
    offsetMs += 599_000 - 5000;
    expect(await poll(code)).toBe('authorization_pending');
    offsetMs += 1000;
    expect((await open(code)).status).toBe(404);
    expect(await poll(code)).toBe('expired_token');
    offsetMs += 600_000;
    expect(await poll(code)).toBe('invalid_grant');
  });

  test('accepts one answer, so that a denied code cannot be approved', async () => {
    const code = await start();
    const [first, second] = [await open(code), await open(code)];
    await carl.browser.submit(first, { action: 'deny' }, '/device');
    expect((await carl.browser.submit(second, { action: 'approve' }, '/device')).status).toBe(404);
    expect((await open(code)).status).toBe(404);
    expect(await poll(code)).toBe('access_denied');
  });

  test('gives the token to one of two terminals that poll with the same code at the same time', async () => {
    const code = await start();
    await answer(code, 'approve');
    const ask = () => post('token', { grant_type: DEVICE_CODE, device_code: code.device_code, client_id: 'samlgate-cli' });
    const answers = await Promise.all([ask(), ask(), ask(), ask()]);
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
  });

  test.each([
    [{ device_code: 'x'.repeat(43) }, 'invalid_grant'],
    [{ device_code: '' }, 'invalid_request'],
    [{}, 'invalid_request'],
    [{ device_code: 'x', client_id: 'other' }, 'invalid_client'],
  ])('rejects the token request %j', async (form, error) => {
    const { status, body } = await post('token', { grant_type: DEVICE_CODE, client_id: 'samlgate-cli', ...form } as Record<string, string>);
    expect([status, body.error, body.code]).toEqual([400, error, 'validation_failed']);
  });

  test.each([
    [{ client_id: 'other' }, 'invalid_client'],
    [{}, 'invalid_request'],
    [{ client_id: 'samlgate-cli', organization: 'NO/slug' }, 'invalid_request'],
    [{ client_id: 'samlgate-cli', token_name: 'a\nb' }, 'invalid_request'],
    [{ client_id: 'samlgate-cli', organization: ['acme', 'other'] as unknown as string }, 'invalid_request'],
  ])('rejects the device authorization request %j', async (form, error) => {
    const { status, body } = await post('device_authorization', form as Record<string, string>);
    expect([status, body.error]).toEqual([400, error]);
  });

  test('refuses an unknown organization before a user opens a browser', async () => {
    const { status, body } = await post('device_authorization', { client_id: 'samlgate-cli', organization: 'no-such-organization' });
    expect([status, body.code, body.error]).toEqual([404, 'organization_unknown', 'invalid_request']);
    expect(body.detail).toContain('No organization has the short name “no-such-organization”.');
    expect(body).not.toHaveProperty('user_code');
  });

  test('stores only the hash of the device code', async () => {
    const { device_code: deviceCode } = await start();
    expect(await gateway.runtime.store.peek('global', `device:${deviceCode}`)).toBeUndefined();
  });
});

describe('confirmation page (/device)', () => {
  test('redirects to the sign-in and back with the code', async () => {
    const code = await start();
    const browser = new HttpBrowser();
    const login = await browser.request(code.verification_uri_complete);
    expect(login.location).toBe(`${gateway.url}/login?return_to=${encodeURIComponent(`/device?user_code=${code.user_code}`)}`);
    const typed = await browser.submit(await browser.open(code.verification_uri_complete), { who: organization.slug }, '/login');
    expect(typed.forms.length).toBeGreaterThan(0);
    const { page } = await signIn(
      browser,
      `${gateway.loginUrl(organization.slug)}?return_to=${encodeURIComponent(`/device?user_code=${code.user_code}`)}`,
      'nina',
    );
    expect(page.url).toBe(code.verification_uri_complete);
    await browser.submit(page, { action: 'approve' }, '/device');
    expect(await meStatus(await poll(code))).toBe(200);
  });

  test('redirects to the sign-in of the organization that the terminal asks for', async () => {
    const code = await start({ organization: organization.slug });
    expect(code.verification_uri_complete).toContain(`&organization=${organization.slug}`);
    const { location } = await new HttpBrowser().request(code.verification_uri_complete);
    expect(location).toBe(
      `${gateway.url}/saml/${organization.slug}/login?return_to=${encodeURIComponent(`/device?user_code=${code.user_code}`)}`,
    );
    expect((await new HttpBrowser().request(`${gateway.url}/device?organization=//evil.example`)).location).toBe(
      `${gateway.url}/login?return_to=%2Fdevice`,
    );
  });

  test('does not let a member of another organization approve a request for a given organization', async () => {
    const other = await gateway.makeOrganization();
    const code = await start({ organization: other.slug });
    const page = await open(code);
    expect(page.text).toContain('Another organization');
    expect(page.forms).toEqual([]);
    const forged = new URLSearchParams({ csrf: carl.csrfToken, user_code: code.user_code, action: 'approve' });
    expect(codeOf(await carl.browser.open(`${gateway.url}/device`, { method: 'POST', body: forged }))).toBe('forbidden');
    expect(await poll(code)).toBe('authorization_pending');
  });

  test('does not let a member of a new organization with the slug of a deleted one answer its requests', async () => {
    const slug = newSlug();
    await gateway.makeOrganization(slug);
    const code = await start({ organization: slug });
    await gateway.api('DELETE', `/organizations/${slug}`);
    const successor = await signedIn(gateway, await gateway.makeOrganization(slug), 'olivia');
    expect((await open(code, successor)).forms).toEqual([]);
    for (const action of ['approve', 'deny']) {
      const forged = new URLSearchParams({ csrf: successor.csrfToken, user_code: code.user_code, action });
      expect(codeOf(await successor.browser.open(`${gateway.url}/device`, { method: 'POST', body: forged }))).toBe('forbidden');
    }
    expect(await poll(code)).toBe('authorization_pending');
  });

  test('lets a user who is signed in to another organization sign in to the requested one, and returns to the code', async () => {
    const other = await gateway.makeOrganization();
    const code = await start({ organization: other.slug });
    const page = await open(code);
    const link = readLinks(page.text, page.url).find(({ text }) => text === `Sign in to ${other.slug}`);
    expect(link?.href).toBe(`${gateway.loginUrl(other.slug)}?return_to=${encodeURIComponent(`/device?user_code=${code.user_code}`)}`);
  });

  test('shows how long ago the sign-in was started', async () => {
    const code = await start();
    expect(textOf((await open(code)).text)).toMatch(/Started just now, \d+ \w{3} \d{4}/);
    offsetMs += 240_000;
    expect(textOf((await open(code)).text)).toContain('Started 4 minutes ago');
  });

  test('warns of a sign-in that was started at another address, as an attacker’s link is (§5.4)', async () => {
    const proxied = await startGateway({ environment: { SAMLGATE_TRUST_PROXY: 'loopback' } });
    try {
      const victim = await signedIn(proxied, await proxied.makeOrganization(), 'carl');
      const body = new URLSearchParams({ client_id: 'samlgate-cli', token_name: 'IT support' });
      const headers = { 'x-forwarded-for': '203.0.113.66', 'user-agent': 'Your IT department' };
      const started = await fetch(`${proxied.url}/oauth/device_authorization`, { method: 'POST', headers, body });
      const { verification_uri_complete: link } = (await started.json()) as DeviceJson;
      const seenFrom = async (address: string) =>
        textOf((await victim.browser.open(link, { headers: { 'x-forwarded-for': address } })).text);
      const page = await seenFrom('198.51.100.7');
      expect(page).toContain('Address 203.0.113.66Not the address of this browser, which is 198.51.100.7.');
      expect(page).toContain('Client samlgate command lineIt calls itself “Your IT department”.');
      expect(await seenFrom('203.0.113.66')).not.toContain('Not the address of this browser');
    } finally {
      await proxied.stop();
    }
  });

  test('only asks: neither submits itself nor approves on GET, also with action=approve in the URL', async () => {
    const code = await start();
    const page = await carl.browser.open(`${code.verification_uri_complete}&action=approve&csrf=${carl.csrfToken}`);
    expect([page.status, /<script[^>]*submit/.test(page.text), page.text.includes('autofocus')]).toEqual([200, false, false]);
    expect(await poll(code)).toBe('authorization_pending');
  });

  test('keeps the organization if the session ends while the page is open', async () => {
    const code = await start({ organization: organization.slug });
    const [form] = (await open(code)).forms;
    expect(form?.fields.find(({ name }) => name === 'organization')?.value).toBe(organization.slug);
    const fields = { csrf: 'x', user_code: code.user_code, organization: organization.slug, action: 'approve' };
    const page = await new HttpBrowser().request(`${gateway.url}/device`, { method: 'POST', body: new URLSearchParams(fields) });
    expect([page.status, page.location]).toEqual([303, expect.stringContaining(`/saml/${organization.slug}/login?return_to=`)]);
  });

  test('accepts a typed code in any case, with or without the dash', async () => {
    const code = await start();
    const form = await carl.browser.open(`${gateway.url}/device`);
    for (const typed of [code.user_code, code.user_code.toLowerCase(), code.user_code.replace('-', ''), ` ${code.user_code} `]) {
      const page = await carl.browser.submit(form, { user_code: typed }, '/device');
      expect([page.status, page.text]).toEqual([200, expect.stringContaining('Sign in a terminal?')]);
    }
  });

  test.each(['BBBB-BBBB', 'AEIO-UAEI', 'x', '<script>alert(1)</script>', 'BBBBBBBBB'])('does not find the code %s', async (typed) => {
    const page = await carl.browser.open(`${gateway.url}/device?user_code=${encodeURIComponent(typed)}`);
    expect([page.status, page.text.includes('<script>')]).toEqual([404, false]);
  });

  test('requires the CSRF token of the session for an approval', async () => {
    const code = await start();
    const stranger = await signedIn(gateway, organization, 'nina');
    for (const csrf of ['', 'x', stranger.csrfToken]) {
      const body = new URLSearchParams({ csrf, user_code: code.user_code, action: 'approve' });
      expect(codeOf(await carl.browser.open(`${gateway.url}/device`, { method: 'POST', body }))).toBe('forbidden');
    }
    const missing = new URLSearchParams({ user_code: code.user_code, action: 'approve' });
    expect(codeOf(await carl.browser.open(`${gateway.url}/device`, { method: 'POST', body: missing }))).toBe('validation_failed');
    expect(await poll(code)).toBe('authorization_pending');
  });

  test('requires a session for an approval', async () => {
    const code = await start();
    const body = new URLSearchParams({ csrf: carl.csrfToken, user_code: code.user_code, action: 'approve' });
    const page = await new HttpBrowser().request(`${gateway.url}/device`, { method: 'POST', body });
    expect([page.status, page.location]).toEqual([303, expect.stringContaining('/login?return_to=')]);
    expect(await poll(code)).toBe('authorization_pending');
  });

  test('forbids framing, and escapes what the terminal sent', async () => {
    const code = await start({ token_name: '<img src=x onerror=alert(1)>' });
    const page = await open(code);
    expect(page.headers.get('content-security-policy')).toContain("frame-ancestors 'none'");
    expect(page.text).not.toContain('<img src=x');
    expect(page.text).toContain('&lt;img src=x');
  });
});

describe('between approval and token', () => {
  const LOGGED_OUT = 'the session ends';
  test.each([LOGGED_OUT, 'the member is suspended', 'the member is removed'])('returns no token if %s', async (event) => {
    const nina = await signedIn(gateway, organization, 'nina');
    const code = await start();
    await answer(code, 'approve', nina);
    const member = `/organizations/${organization.slug}/members/${nina.id}`;
    if (event === LOGGED_OUT) await nina.browser.submit(await nina.browser.open(`${gateway.url}/console`), {}, '/logout');
    else if (event === 'the member is suspended') await gateway.api('PATCH', member, { suspended: true });
    else await gateway.api('DELETE', member);
    expect(await poll(code)).toBe('access_denied');
    expect(await poll(code)).toBe('invalid_grant');
    await gateway.api('PATCH', member, { suspended: false });
  });
});

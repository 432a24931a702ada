import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { HttpBrowser, type Page } from '../support/browser.ts';
import { type OrganizationJson, startGateway, type TestGateway } from '../support/gateway.ts';
import { textOf } from '../support/html.ts';
import { type SignedIn, signedIn } from '../support/signed-in.ts';

let gateway: TestGateway;
let acme: OrganizationJson;

beforeAll(async () => {
  gateway = await startGateway();
  acme = await gateway.makeOrganization();
});

afterAll(() => gateway.stop());

const credentialsOf = ({ browser }: SignedIn): Promise<Page> => browser.open(`${gateway.url}/console`);
const statusOf = async (token: string): Promise<number> => (await gateway.api('GET', '/me', undefined, token)).status;

/** Submits the form for a new token and returns the token that the response shows. */
async function makeToken(person: SignedIn, name: string, days = '90'): Promise<{ readonly page: Page; readonly token: string }> {
  const page = await person.browser.submit(await credentialsOf(person), { name, expires_in_days: days });
  const token = /samlgate_cli_[\w.-]+/.exec(page.text)?.[0] ?? '';
  return { page, token };
}

describe('console: profile', () => {
  it('shows the group whose rule assigned the role', async () => {
    const text = textOf((await credentialsOf(await signedIn(gateway, acme, 'olivia'))).text);
    expect(text).toContain('owner: The identity provider says that you are in the group “platform-admins”');
  });

  it('says that the default role applies', async () => {
    const carl = await signedIn(gateway, acme, 'carl');
    const text = textOf((await credentialsOf(carl)).text);
    expect(text).toContain('collaborator: No rule matches your groups, so the default role applies');
    expect(text).toContain(carl.id);
  });
});

describe('console: CLI tokens', () => {
  let carl: SignedIn;

  beforeAll(async () => {
    carl = await signedIn(gateway, acme, 'carl');
  });

  it('shows a new token once, accepts it and lists its expiry', async () => {
    const { page, token } = await makeToken(carl, 'nightly backup', '30');
    expect(page.status).toBe(200);
    expect(page.headers.get('cache-control')).toBe('no-store');
    expect(page.text).toContain(`samlgate login --gateway ${gateway.url} --org ${acme.slug}`);
    expect(await statusOf(token)).toBe(200);
    const list = await credentialsOf(carl);
    expect(list.text).not.toContain(token);
    expect(textOf(list.text)).toMatch(/nightly backup just now .* in 30 days/);
  });

  it('warns before a token expires, with its name escaped, and says what a token can do', async () => {
    const strict = await gateway.makeOrganization();
    const nina = await signedIn(gateway, strict, 'nina');
    await makeToken(nina, 'long', '90');
    expect(textOf((await credentialsOf(nina)).text)).not.toContain('The token long expires');
    for (const name of ['<b>soon</b>', 'b', 'c', 'd']) await makeToken(nina, name, '7');
    const page = await credentialsOf(nina);
    expect(textOf(page.text)).toContain('The token d expires in 7 days');
    expect(textOf(page.text)).toContain('1 other token will also expire within 14 days.');
    expect(page.text).not.toContain('<b>soon');
    expect(textOf(page.text)).toContain('it has your role, now collaborator, in the API');
  });

  it('has the form for a new token on a page of its own, for browsers without scripts', async () => {
    const form = await carl.browser.open(`${gateway.url}/console/tokens/new`);
    const page = await carl.browser.submit(form, { name: 'from the page', expires_in_days: '7' });
    expect(page.url).toBe(`${gateway.url}/console/tokens/created`);
    expect(textOf(page.text)).toContain(`curl -H "Authorization: Bearer $SAMLGATE_CLI_TOKEN" ${gateway.url}/api/v1/me`);
    expect(await statusOf(/samlgate_cli_[\w.-]+/.exec(page.text)?.[0] ?? '')).toBe(200);
    const stranger = await new HttpBrowser().request(`${gateway.url}/console/tokens/new`);
    expect([stranger.status, stranger.location]).toEqual([303, expect.stringContaining('/login?')]);
  });

  it('creates a token that never expires', async () => {
    const { page } = await makeToken(carl, 'for ever', '');
    expect(textOf(page.text)).toContain('Expires never');
  });

  it('shows when and from where a token was last used', async () => {
    const { token } = await makeToken(carl, 'in use');
    await fetch(`${gateway.url}/api/v1/me`, { headers: { authorization: `Bearer ${token}`, 'user-agent': 'backup/1.0' } });
    // The use is recorded after the response, so the page may show it a moment later.
    let text = '';
    for (let i = 0; i < 200 && !text.includes('backup/1.0'); i++) text = textOf((await credentialsOf(carl)).text);
    expect(text).toMatch(/in use just now just now from (127\.0\.0\.1|::1|::ffff:127\.0\.0\.1) , backup\/1\.0/);
  });

  it('revokes one token and leaves the others', async () => {
    const [first, second] = [await makeToken(carl, 'first'), await makeToken(carl, 'second')];
    const { body } = await carl.api<{ items: { id: string; name: string }[] }>('GET', '/me/tokens');
    const id = body.items.find(({ name }) => name === 'first')?.id;
    const page = await carl.browser.submit(await credentialsOf(carl), {}, `/console/tokens/${id}/revoke`);
    expect([page.url, page.status]).toEqual([`${gateway.url}/console`, 200]);
    expect(textOf(page.text)).toContain('The token is revoked.');
    expect(textOf((await credentialsOf(carl)).text)).not.toContain('The token is revoked.');
    expect([await statusOf(first.token), await statusOf(second.token)]).toEqual([401, 200]);
  });

  it('does not find the token of another member and leaves it valid', async () => {
    const olivia = await signedIn(gateway, acme, 'olivia');
    const { id, token } = await olivia.makeToken();
    const body = new URLSearchParams({ csrf: carl.csrfToken });
    const answer = await carl.browser.request(`${gateway.url}/console/tokens/${id}/revoke`, { method: 'POST', body });
    expect([answer.status, answer.code]).toEqual([404, 'not_found']);
    expect(await statusOf(token)).toBe(200);
  });

  it.each([
    ['no name', { name: '   ', expires_in_days: '30' }],
    ['a name with a line break', { name: 'a\nb', expires_in_days: '30' }],
    ['an expiry that is not a number', { name: 'x', expires_in_days: 'soon' }],
    ['an expiry beyond the maximum', { name: 'x', expires_in_days: '99999' }],
  ])('refuses %s', async (_what, fields) => {
    const body = new URLSearchParams({ csrf: carl.csrfToken, ...fields });
    const answer = await carl.browser.request(`${gateway.url}/console/tokens`, { method: 'POST', body });
    expect([answer.status, answer.code]).toEqual([400, 'validation_failed']);
  });

  it('offers no longer expiry than the organization allows', async () => {
    const strict = await gateway.makeOrganization();
    await gateway.api('PATCH', `/organizations/${strict.slug}`, { cli_token_max_days: 10, cli_token_sso_within_days: 30 });
    const page = await credentialsOf(await signedIn(gateway, strict, 'carl'));
    const offered = [...page.text.matchAll(/<option[^>]*value="(\d*)"/g)].map(([, days]) => days);
    expect(offered).toEqual(['7', '10']);
    expect(textOf(page.text)).toContain('requires a sign-in every 30 days');
  });

  it('escapes markup, control characters and bidirectional overrides in names', async () => {
    const { body } = await carl.api<{ id: string }>('POST', '/me/tokens', { name: '<script>alert(1)</script>\u202egnp.exe' });
    expect(body.id).toBeDefined();
    const { text } = await credentialsOf(carl);
    expect(text).toContain('<bdi>&lt;script>alert(1)&lt;/script>⟨U+202E⟩gnp.exe</bdi>');
    expect(text).not.toMatch(/<script>|\u202e/);
  });
});

describe('console: sessions', () => {
  it('ends one session and redirects its browser to the sign-in', async () => {
    const [here, there] = [await signedIn(gateway, acme, 'nina'), await signedIn(gateway, acme, 'nina')];
    const page = await credentialsOf(here);
    expect(page.text.match(/this browser<\/span>/g)).toHaveLength(1);
    const form = page.forms.find(({ action }) => action.endsWith('/end'));
    const after = await here.browser.submit(page, {}, form?.action);
    expect(textOf(after.text)).toContain('The session has ended.');
    expect((await there.browser.request(`${gateway.url}/console`)).status).toBe(303);
    expect((await here.browser.request(`${gateway.url}/console`)).status).toBe(200);
  });

  it('ends all other sessions and keeps the current one', async () => {
    const people = await Promise.all([1, 2, 3].map(() => signedIn(gateway, acme, 'nina')));
    const [here, ...others] = people as [SignedIn, ...SignedIn[]];
    const after = await here.browser.submit(await credentialsOf(here), {}, '/sessions/end-others');
    expect(textOf(after.text)).toMatch(/Ended \d other sessions/);
    for (const other of others) expect((await other.browser.request(`${gateway.url}/console`)).status).toBe(303);
    expect((await credentialsOf(here)).status).toBe(200);
    const { body } = await gateway.api<{ items: object[] }>('GET', `/organizations/${acme.slug}/audit?event=sessions.ended`);
    expect(body.items[0]).toMatchObject({ event: 'sessions.ended', member_id: here.id, actor: { kind: 'member', id: here.id } });
  });

  it('does not find the session of another member and leaves it valid', async () => {
    const [nina, carl] = [await signedIn(gateway, acme, 'nina'), await signedIn(gateway, acme, 'carl')];
    const theirs = await carl.api<{ credential: { id: string } }>('GET', '/me');
    const body = new URLSearchParams({ csrf: nina.csrfToken });
    const answer = await nina.browser.request(`${gateway.url}/console/sessions/${theirs.body.credential.id}/end`, { method: 'POST', body });
    expect([answer.status, answer.code]).toEqual([404, 'not_found']);
    expect((await credentialsOf(carl)).status).toBe(200);
  });
});

describe('console: revoke all credentials', () => {
  it('asks for confirmation with the numbers, then revokes all tokens and ends all other sessions', async () => {
    const other = await signedIn(gateway, acme, 'olivia');
    const here = await signedIn(gateway, acme, 'olivia');
    await here.browser.submit(await credentialsOf(here), {}, '/sessions/end-others');
    const elsewhere = await signedIn(gateway, acme, 'olivia');
    await here.api('POST', '/me/tokens/rotate', {});
    const tokens = [await here.makeToken({ name: 'laptop' }), await here.makeToken({ name: 'server' })];
    const question = await here.browser.follow(await credentialsOf(here), 'Revoke all credentials');
    const asked = textOf(question.text);
    expect(asked).toContain('3 CLI tokens can no longer be used');
    expect(asked).toContain('laptop');
    expect(asked).toContain('1 other session will end');
    expect(await statusOf(tokens[0]?.token ?? '')).toBe(200);
    const after = await here.browser.submit(question, {}, '/revoke-all');
    expect(textOf(after.text)).toContain('Revoked 3 CLI tokens and ended 1 other session.');
    for (const { token } of tokens) expect(await statusOf(token)).toBe(401);
    for (const { browser } of [other, elsewhere]) expect((await browser.request(`${gateway.url}/console`)).status).toBe(303);
    expect((await credentialsOf(here)).status).toBe(200);
  });
});

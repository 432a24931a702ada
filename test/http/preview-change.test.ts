import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { NAME_ID_PERSISTENT } from '../../src/saml/names.ts';
import { HttpBrowser } from '../support/browser.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { makeTestOrganization, type TestOrganization } from '../support/identity-provider.ts';
import { newSlug } from '../support/new-slug.ts';

let gateway: TestGateway;
let acme: TestOrganization;
let path: string;
let nowMs = Date.now();
const olivia = new HttpBrowser();
beforeAll(async () => {
  gateway = await startGateway({ now: () => nowMs });
  acme = await makeTestOrganization(gateway, () => nowMs);
  const domain = `${newSlug()}.example`;
  const root = `/organizations/${acme.slug}`;
  await gateway.api('POST', `${root}/domains`, { domain });
  await gateway.api('POST', `${root}/domains/${domain}/verify`, { confirm: true });
  const signIn = (id: string, email: string, groups: string[] = [], browser = new HttpBrowser()) =>
    acme.signIn(browser, 'olivia', {
      values: {
        nameId: { value: id, format: NAME_ID_PERSISTENT },
        attributes: [
          { name: 'email', values: [email] },
          { name: 'groups', values: groups },
        ],
      },
    });
  await signIn('olivia', `olivia@${domain}`, ['platform-admins'], olivia);
  await signIn('carl', `carl@${domain}`);
  await signIn('one', `team@${domain}`);
  await signIn('two', `Team@${domain}`);
  await signIn('else', 'else@elsewhere.example');
  const { body } = await gateway.api<{ id: string }>('GET', `${root}/identity-provider`);
  path = `/api/v1${root}/connections/${body.id}/preview-change`;
});
afterAll(() => gateway.stop());

const preview = async (body: object) => (await gateway.api<Record<string, unknown>>('POST', path.slice(7), body)).body;
const TABLE = 'old_identifier,new_identifier\ncarl,carl\none,two\ntwo,x\nelse,else\nelse,y\n';

describe('a preview of a change of the identity provider', () => {
  it.each([
    ['keep', { matching: 4, ambiguous: 1, new: 0 }],
    ['link_by_email', { matching: 1, ambiguous: 4, new: 0 }],
    ['new_accounts', { matching: 0, ambiguous: 0, new: 5 }],
  ])('counts the members for %s, like a dry run', async (on_new_entity_id, counts) => {
    expect(await preview({ on_new_entity_id })).toEqual({ ...counts, recently_signed_in: 5, is_partial: false, problems: [] });
    const other = acme.metadata.replace(/entityID="[^"]+"/, 'entityID="https://new.example/idp"');
    const query = `?dry_run=true&on_new_entity_id=${on_new_entity_id}&link_until=${new Date(nowMs + 1000).toISOString()}`;
    const dryRun = await gateway.api('PUT', `/organizations/${acme.slug}/identity-provider${query}`, other);
    expect(dryRun.body).toMatchObject({ members: counts, replacement: null, change: null });
  });

  it('compares a table with the members, and reports users who would become another member', async () => {
    expect(await preview({ on_new_entity_id: 'keep', identifiers_csv: TABLE })).toEqual({
      matching: 2,
      ambiguous: 0,
      new: 3,
      recently_signed_in: 5,
      is_partial: false,
      problems: [
        { line: 3, problem: 'other_member' },
        { line: 6, problem: 'duplicate_old' },
      ],
    });
    expect(await preview({ on_new_entity_id: 'link_by_email', identifiers_csv: TABLE })).toMatchObject({ code: 'validation_failed' });
    expect(await preview({ on_new_entity_id: 'keep', identifiers_csv: 'a' })).toMatchObject({ code: 'validation_failed' });
  });

  it('takes a table from an owner whose sign-in is less than 10 minutes old only', async () => {
    const me = await olivia.request(`${gateway.url}/api/v1/me`, { headers: { accept: 'application/json' } });
    const { csrf_token } = JSON.parse(me.text) as { csrf_token: string };
    const send = (body: object) =>
      olivia.request(`${gateway.url}${path}`, {
        method: 'POST',
        body: JSON.stringify(body),
        headers: { 'content-type': 'application/json', 'x-samlgate-csrf': csrf_token, 'sec-fetch-site': 'same-origin' },
      });
    const withTable = { on_new_entity_id: 'keep', identifiers_csv: TABLE };
    expect((await send(withTable)).status).toBe(200);
    nowMs += 10 * 60_000;
    expect(await send(withTable)).toMatchObject({ status: 403, code: 'forbidden' });
    expect((await send({ on_new_entity_id: 'keep' })).status).toBe(200);
    expect((await preview(withTable)).problems).toHaveLength(2);
  });
});

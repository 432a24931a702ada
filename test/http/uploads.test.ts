/** Forms with files. Anyone with a session can send one, before the token of the form is checked. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { HttpBrowser } from '../support/browser.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { makeTestOrganization, type TestOrganization } from '../support/identity-provider.ts';

let gateway: TestGateway;
let acme: TestOrganization;
beforeAll(async () => {
  gateway = await startGateway();
  acme = await makeTestOrganization(gateway);
});
afterAll(() => gateway.stop());

interface Upload {
  readonly boundary?: string;
  readonly header?: string;
  readonly nameOf?: (part: number) => string;
}

const upload = (parts: number, { boundary = 'b', header = 'Content-Disposition', nameOf = String }: Upload = {}) => {
  const fields = Array.from({ length: parts }, (_, n) => `--${boundary}\r\n${header}: form-data; name="${nameOf(n)}"\r\n\r\n\r\n`);
  return {
    method: 'POST',
    body: `${fields.join('')}--${boundary}--\r\n`,
    headers: { 'content-type': `multipart/form-data; boundary=${boundary}` },
  };
};

describe('a form with more fields than any form of the console has', () => {
  it('is refused before it is parsed, from a member and from a setup link', async () => {
    const member = new HttpBrowser();
    await acme.signIn(member, 'carl');
    const setup = new HttpBrowser();
    const link = await gateway.api<{ url: string }>('POST', `/organizations/${acme.slug}/setup-links`, {});
    await setup.submit(await setup.open(link.body.url), {});
    for (const [browser, path] of [
      [member, '/console/tokens'],
      [setup, '/setup/single-sign-on/preview'],
    ] as const) {
      const send = async (form: ReturnType<typeof upload>) => {
        const { status, code } = await browser.request(`${gateway.url}${path}`, form);
        return [status, code];
      };
      expect(await send(upload(101))).toEqual([400, 'validation_failed']);
      expect(await send(upload(101, { nameOf: () => 'csrf' }))).toEqual([400, 'validation_failed']);
      expect(await send(upload(101, { header: 'CONTENT-disposition', boundary: '"x y"' }))).toEqual([400, 'validation_failed']);
      // Express takes it for a form with files, and the platform for 1,000 fields without.
      const types = { 'content-type': 'multipart/form-data; boundary=b, application/x-www-form-urlencoded' };
      expect(await send({ method: 'POST', body: 'a&'.repeat(1000), headers: types })).toEqual([400, 'validation_failed']);
      // As many as are allowed are parsed, and the token of the form is missing.
      expect(await send(upload(100))).toEqual([403, 'forbidden']);
    }
  });

  it('is refused by the API', async () => {
    const form = upload(101);
    const headers = { ...form.headers, authorization: `Bearer ${gateway.operatorToken}` };
    const response = await fetch(`${gateway.url}/api/v1/organizations/${acme.slug}/identity-provider`, { ...form, method: 'PUT', headers });
    expect([response.status, await response.json()]).toEqual([
      400,
      expect.objectContaining({ code: 'validation_failed', detail: expect.stringContaining('more than 100 fields') }),
    ]);
  });
});

import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { type Home, makeHome } from '../support/command.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { makeTestOrganization, OKTA_ISSUER, type TestOrganization } from '../support/identity-provider.ts';

let gateway: TestGateway;
let acme: TestOrganization;
let home: Home;
let operator: Record<string, string>;

beforeAll(async () => {
  gateway = await startGateway();
  acme = await makeTestOrganization(gateway);
  operator = { SAMLGATE_URL: gateway.url, SAMLGATE_OPERATOR_TOKEN: gateway.operatorToken };
});
afterAll(() => gateway.stop());
beforeEach(() => {
  home = makeHome();
});
afterEach(() => home.remove());

interface Idp {
  readonly entity_id: string;
  readonly warnings: readonly { readonly code: string }[];
}

const idpOf = async () => (await gateway.api<Idp>('GET', `/organizations/${acme.slug}/identity-provider`)).body;

function save(name: string, content: string | Uint8Array): string {
  const file = path.join(home.directory, name);
  writeFileSync(file, content);
  return file;
}

const inLatin1 = (entityId: string): Buffer =>
  Buffer.from(acme.metadata.replaceAll(OKTA_ISSUER, entityId).replace('encoding="UTF-8"', 'encoding="ISO-8859-1"'), 'latin1');

describe('samlgate org set-idp and org apply: files of real products', () => {
  test('send a file with another encoding unchanged', async () => {
    const file = save('idp.xml', inLatin1('https://set.example/prüfstelle'));
    expect(await home.run(['org', 'set-idp', acme.slug, file], operator)).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('https://set.example/prüfstelle'),
    });
    save('applied.xml', inLatin1('https://applied.example/prüfstelle'));
    const yaml = `slug: ${acme.slug}\nname: ${acme.slug}\nidentity_provider:\n  metadata_file: applied.xml\n`;
    const organization = save('acme.yaml', yaml);
    expect(await home.run(['org', 'apply', organization], operator)).toMatchObject({ code: 0, stderr: '' });
    expect((await idpOf()).entity_id).toBe('https://applied.example/prüfstelle');
    expect(await home.run(['org', 'apply', organization], operator)).toMatchObject({ code: 0, stdout: `${acme.slug}: no changes\n` });
  });

  test('say where the XML has an unescaped ampersand, and that an empty file is empty', async () => {
    const lines = acme.metadata.replace('?>', '?>\n\n').replace('https://idp.example/sso', 'https://idp.example/sso?a=1&b=2');
    const refused = await home.run(['org', 'set-idp', acme.slug, save('ampersand.xml', lines)], operator);
    expect(refused).toMatchObject({ code: 1, stdout: '' });
    const before = lines.slice(0, lines.indexOf('&b=2')).split('\n');
    expect(refused.stderr).toContain(`(line ${before.length}, column ${(before.at(-1)?.length ?? 0) + 1})`);
    expect(refused.stderr).toContain('code idp_metadata_invalid');
    const empty = await home.run(['org', 'set-idp', acme.slug, save('empty.xml', '')], operator);
    expect([empty.code, empty.stderr]).toEqual([1, expect.stringContaining('empty')]);
    expect(empty.stderr).toContain('code idp_metadata_invalid');
  });

  test('print warnings about invalid parts, which the gateway keeps', async () => {
    const logout = '<md:SingleLogoutService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect" Location=""/>';
    const file = save('idp.xml', acme.metadata.replace('<md:NameIDFormat', `${logout}<md:NameIDFormat`));
    const { code, stdout } = await home.run(['org', 'set-idp', acme.slug, file], operator);
    expect([code, stdout]).toEqual([0, expect.stringContaining('warning: A single logout URL in the metadata is ignored.')]);
    expect((await idpOf()).warnings.map((warning) => warning.code)).toContain('slo_url_invalid');
    expect((await home.run(['org', 'show', acme.slug], operator)).stdout).toContain('warning: A single logout URL');
  });
});

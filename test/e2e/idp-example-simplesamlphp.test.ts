import { execFile } from 'node:child_process';
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { HttpBrowser } from '../support/browser.ts';
import { type GatewayProcess, startGatewayProcess } from './support/gateway-process.ts';
import { signInAt, whoAmI } from './support/sign-in.ts';
import { type SimpleSamlPhp, startSimpleSamlPhp } from './support/simplesamlphp.ts';

const ROOT = path.join(import.meta.dirname, '../..');
const SLUG = 'acme-simplesamlphp';

describe('config/idp-examples/simplesamlphp.yaml with SimpleSAMLphp', () => {
  let idp: SimpleSamlPhp;
  let gateway: GatewayProcess;
  let folder: string;

  /** Runs the packaged command with the unchanged file. */
  async function apply(...options: string[]): Promise<string[]> {
    const environment = { SAMLGATE_URL: gateway.url, SAMLGATE_OPERATOR_TOKEN: gateway.operatorToken };
    const arguments_ = [path.join(ROOT, 'dist/main.js'), 'org', 'apply', path.join(folder, 'simplesamlphp.yaml'), ...options];
    const { stdout } = await promisify(execFile)(process.execPath, arguments_, { env: { PATH: process.env.PATH, ...environment } });
    return stdout.trim().split('\n');
  }

  beforeAll(async () => {
    // The file asks for a persistent NameID derived from uid.
    [idp, gateway] = await Promise.all([startSimpleSamlPhp(['--nameid', 'persistent']), startGatewayProcess()]);
    folder = mkdtempSync(path.join(tmpdir(), 'samlgate-example-'));
    copyFileSync(path.join(ROOT, 'config/idp-examples/simplesamlphp.yaml'), path.join(folder, 'simplesamlphp.yaml'));
    writeFileSync(path.join(folder, 'simplesamlphp-metadata.xml'), idp.metadata());
  }, 60_000);

  afterAll(async () => {
    rmSync(folder, { recursive: true });
    await gateway.stop();
    await idp.stop();
  }, 30_000);

  it('is applied after a dry run, and leaves nothing to change', async () => {
    expect(await apply('--dry-run')).toContain(`${SLUG}: would create the organization “Acme (SimpleSAMLphp)”`);
    expect((await gateway.api('GET', `/organizations/${SLUG}`)).body).toMatchObject({ code: 'organization_unknown' });
    expect(await apply()).toContain(`${SLUG}: create the organization “Acme (SimpleSAMLphp)”`);
    expect(await apply('--dry-run')).toEqual([`${SLUG}: no changes`]);
    expect((await gateway.api('GET', `/organizations/${SLUG}/identity-provider`)).body).toMatchObject({ entity_id: idp.metadataUrl });
  });

  describe('with the service provider added from its metadata', () => {
    beforeAll(() => idp.addServiceProvider(`${gateway.url}/saml/${SLUG}/metadata`));

    it.each([
      ['olivia', 'owner', { kind: 'rule', group: 'platform-admins' }],
      ['carl', 'collaborator', { kind: 'default' }],
      ['nina', 'collaborator', { kind: 'default' }],
    ])('signs %s in as %s, and recognizes the user the next time', async (user, role, roleSource) => {
      const members = async () => {
        const { body } = await gateway.api<{ items: { id: string }[] }>('GET', `/organizations/${SLUG}/members?email=${user}@acme.test`);
        return body.items;
      };
      const comeIn = async () => {
        const browser = new HttpBrowser();
        const { answer } = await signInAt(browser, `${gateway.url}/saml/${SLUG}/login`, user);
        expect([answer.code, answer.status]).toEqual([undefined, 303]);
        return whoAmI(browser, gateway.url);
      };
      expect(await comeIn()).toMatchObject({ status: 200, user: { email: `${user}@acme.test`, role } });
      const [before] = await members();
      await comeIn();
      expect(await members()).toMatchObject([{ id: before?.id, role, role_source: roleSource }]);
    });
  });
});

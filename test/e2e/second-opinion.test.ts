import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { HttpBrowser } from '../support/browser.ts';
import { type GatewayProcess, makeOrganization, startGatewayProcess } from './support/gateway-process.ts';
import { signInAt, whoAmI } from './support/sign-in.ts';
import { type SimpleSamlPhp, startSimpleSamlPhp } from './support/simplesamlphp.ts';

let idp: SimpleSamlPhp;
let gateway: GatewayProcess;

beforeAll(async () => {
  [idp, gateway] = await Promise.all([startSimpleSamlPhp(), startGatewayProcess({ SAMLGATE_SECOND_OPINION: 'node-saml' })]);
}, 60_000);

afterAll(async () => {
  expect(await gateway.stop()).toBe(0);
  await idp.stop();
}, 30_000);

const outcomes = async (): Promise<string[]> => {
  const text = await (await fetch(`${gateway.url}/metrics`)).text();
  return [...text.matchAll(/^samlgate_second_opinions_total\{outcome="(\w+)"\} \d+$/gm)].map(([, outcome = '']) => outcome);
};

describe('second opinion about responses of SimpleSAMLphp', () => {
  it.each([
    ['plain', [], []],
    ['only-response-signed', ['--no-sign-assertion'], []],
    ['only-assertion-signed', ['--no-sign-response'], []],
    ['sha512', ['--sig-alg', 'sha512'], []],
    ['oid-attributes', ['--attributes', 'oid'], []],
    ['persistent', ['--nameid', 'persistent'], []],
    ['encrypted', ['--encrypt'], []],
    ['encrypted-response-unsigned', ['--encrypt', '--no-sign-response'], []],
    ['encrypted-name-id', [], ['nameid.encryption=true']],
  ])('agrees about a response (%s) and signs the user in', async (slug, options, settings) => {
    await idp.restart(options);
    await makeOrganization(gateway, slug, idp.metadata());
    await idp.addServiceProvider(`${gateway.url}/saml/${slug}/metadata`, settings);
    const browser = new HttpBrowser();
    await signInAt(browser, `${gateway.url}/saml/${slug}/login`, 'olivia');
    expect((await whoAmI(browser, gateway.url)).user).toMatchObject({ email: 'olivia@acme.test', role: 'owner' });
    expect(await outcomes()).toEqual(['agreed']);
    expect(gateway.output()).not.toContain('ALARM');
  });
});

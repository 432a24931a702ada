/** Chromium without scripts, over https, where a cross-site POST carries only the cookies with SameSite=None. */
import { once } from 'node:events';
import { createServer as createHttpServer, request, type Server } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Browser, Page } from 'playwright-core';
import { createSelfSignedCertificate } from '../../src/saml/metadata/self-signed-certificate.ts';
import { makeTestOrganization, type TestOrganization } from '../support/identity-provider.ts';
import { freePort } from '../support/redis-server.ts';
import { launchChromium, screenshot } from './support/chromium.ts';
import { type GatewayProcess, startGatewayProcess } from './support/gateway-process.ts';

let gateway: GatewayProcess;
let tlsProxy: Server;
let otherSite: Server;
let chromium: Browser;
let page: Page;
let url: string;
let acme: TestOrganization;
let evil: TestOrganization;
/** The page that the other site serves. */
let html = '';

beforeAll(async () => {
  const [port, gatewayPort] = [await freePort(), await freePort()];
  const key = await createSelfSignedCertificate({ commonName: 'localhost', days: 1, nowMs: Date.now(), rsaBits: 2048 });
  const cert = key.certificatePem;
  tlsProxy = createServer({ key: key.privateKeyPem, cert }, (incoming, response) => {
    const { method, headers, url: path } = incoming;
    const passed = request({ host: '127.0.0.1', port: gatewayPort, method, headers, path }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    incoming.pipe(passed);
  }).listen(port, '127.0.0.1');
  otherSite = createHttpServer((_request, response) => void response.setHeader('content-type', 'text/html').end(html)).listen(
    0,
    '127.0.0.1',
  );
  await Promise.all([once(tlsProxy, 'listening'), once(otherSite, 'listening')]);
  url = `https://localhost:${port}`;
  gateway = await startGatewayProcess({ SAMLGATE_BASE_URL: url, SAMLGATE_LISTEN: `127.0.0.1:${gatewayPort}` });
  const behindTls = { url, api: gateway.api };
  acme = await makeTestOrganization(behindTls);
  evil = await makeTestOrganization(behindTls);
  chromium = await launchChromium();
  page = await (await chromium.newContext({ ignoreHTTPSErrors: true, javaScriptEnabled: false })).newPage();
}, 120_000);

afterAll(async () => {
  await chromium.close();
  await gateway.stop();
  for (const server of [tlsProxy, otherSite]) {
    server.closeAllConnections();
    server.close();
  }
});

/** Opens a page of another site and clicks its form, which posts a response to the gateway. */
async function postFromOtherSite(organization: TestOrganization, user: string): Promise<void> {
  const response = Buffer.from(organization.respond({ user })).toString('base64');
  html = `<form method="post" action="${organization.acsUrl}"><input type="hidden" name="SAMLResponse" value="${response}"><button>Go</button></form>`;
  await page.goto(`http://127.0.0.1:${(otherSite.address() as AddressInfo).port}/`);
  await page.click('button');
}

async function expectConsoleOf(organization: TestOrganization, user: string): Promise<void> {
  await page.goto(`${url}/console`);
  expect(page.url()).toBe(`${url}/console`);
  const text = await page.content();
  expect(text).toContain(`${user}@okta.acme.example`);
  expect(text).toContain(organization.slug);
}

describe('a sign-in to another organization in Chromium', () => {
  it('asks, and replaces the session only if the user confirms', async () => {
    await postFromOtherSite(acme, 'olivia');
    expect(page.url()).toBe(`${url}/console`);
    await postFromOtherSite(evil, 'carl');
    expect(page.url()).toBe(`${url}/saml/${evil.slug}/continue`);
    await screenshot(page, 'replace-session');
    await expectConsoleOf(acme, 'olivia');
    await page.goBack();
    await page.click('button[value=stay]');
    await expectConsoleOf(acme, 'olivia');
    await postFromOtherSite(evil, 'carl');
    await page.click('button[value=switch]');
    expect(page.url()).toBe(`${url}/console`);
    await expectConsoleOf(evil, 'carl');
  }, 120_000);

  it('continues without a question in the same organization', async () => {
    await postFromOtherSite(evil, 'olivia');
    expect(page.url()).toBe(`${url}/console`);
    await expectConsoleOf(evil, 'olivia');
  }, 120_000);
});

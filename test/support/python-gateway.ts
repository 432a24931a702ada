/**
 * The gateway of the Python tests: the built package with the mock identity provider, an organization, and the CLI tokens of its owner
 * and a collaborator. Prints these as one line of JSON, answers device logins that it reads from standard input, and ends with it.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { makeOrganization, startGatewayProcess } from '../e2e/support/gateway-process.ts';
import type { HttpBrowser } from './browser.ts';
import { type SignedIn, signedIn } from './signed-in.ts';

const MAIN = path.join(import.meta.dirname, '../../dist/main.js');
const SLUG = 'acme';
/** The audience of a service that the tests protect. */
const AUDIENCE = 'https://reports.example';

const say = (value: unknown) => process.stdout.write(`${JSON.stringify(value)}\n`);

async function startIdp(gatewayUrl: string): Promise<{ readonly child: ChildProcess; readonly metadataUrl: string }> {
  const child = spawn(process.execPath, [MAIN, 'mock-idp', '--port', '0', '--gateway', gatewayUrl], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  for await (const line of createInterface({ input: child.stdout })) {
    const metadataUrl = /^\s+Okta\s+(http\S+)$/.exec(line)?.[1];
    if (metadataUrl !== undefined) return { child, metadataUrl };
  }
  throw new Error('the mock identity provider ended');
}

async function describePerson(person: SignedIn) {
  const { id, token } = await person.makeToken({ name: 'python' });
  return { id: person.id, email: person.email, token, tokenId: id };
}

const gateway = await startGatewayProcess({ SAMLGATE_RATE_LIMITS: 'off', SAMLGATE_LOG_LEVEL: 'silent' });
const idp = await startIdp(gateway.url);
await makeOrganization(gateway, SLUG, await (await fetch(idp.metadataUrl)).text());
await gateway.api('PATCH', `/organizations/${SLUG}`, { session_token_audiences: [AUDIENCE] });
const { body: organization } = await gateway.api<{ id: string; slug: string }>('GET', `/organizations/${SLUG}`);
const at = { url: gateway.url, loginUrl: (slug: string) => `${gateway.url}/saml/${slug}/login` };
const owner = await signedIn(at, organization, 'olivia');
const collaborator = await signedIn(at, organization, 'carl');
say({
  url: gateway.url,
  operatorToken: gateway.operatorToken,
  organization: { id: organization.id, slug: organization.slug },
  owner: await describePerson(owner),
  collaborator: await describePerson(collaborator),
});

/** Answers a device login in the browser of the owner. */
async function answerDeviceLogin(browser: HttpBrowser, userCode: string, action: string): Promise<void> {
  const page = await browser.open(`${gateway.url}/device?user_code=${userCode}&organization=${SLUG}`);
  await browser.submit(page, { action });
}

for await (const line of createInterface({ input: process.stdin })) {
  const { userCode, action } = JSON.parse(line) as { userCode: string; action: string };
  await answerDeviceLogin(owner.browser, userCode, action);
  say({ done: true });
}
const ended = once(idp.child, 'exit');
idp.child.kill('SIGINT');
await ended;
await gateway.stop();

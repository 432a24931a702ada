import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { type AddressInfo, createServer as createTcpServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { explainConnectionError, explainTimeout } from '../../src/client/connection-problem.ts';
import { createSelfSignedCertificate } from '../../src/saml/metadata/self-signed-certificate.ts';
import { type Home, makeHome } from '../support/command.ts';
import { freePort } from '../support/redis-server.ts';

const DAY_MS = 86_400_000;
const ME = {
  user: { id: 'usr_1', email: 'ada@acme.example', name: 'Ada', role: 'owner' },
  organization: { id: 'org_1', slug: 'acme', name: 'Acme' },
  credential: { kind: 'cli_token', id: 'tok_1', expires_at: null },
};

let directory: string;
let home: Home;
const servers: Server[] = [];

beforeAll(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'samlgate-tls-'));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));
beforeEach(() => {
  home = makeHome();
});
afterEach(async () => {
  home.remove();
  for (const server of servers.splice(0)) await new Promise((resolve) => server.close(resolve));
});

async function portOf(server: Server): Promise<number> {
  servers.push(server.listen(0, '127.0.0.1'));
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

interface TlsServer {
  readonly url: string;
  readonly certificateFile: string;
}

/** Starts an https server with the answer of `GET /api/v1/me`. */
async function startTlsServer(key: string, cert: string): Promise<TlsServer> {
  const port = await portOf(createHttpsServer({ key, cert }, (_request, response) => response.end(JSON.stringify(ME))));
  const certificateFile = path.join(directory, `${port}.pem`);
  writeFileSync(certificateFile, cert);
  return { url: `https://localhost:${port}`, certificateFile };
}

async function startSelfSigned(commonName = 'localhost', nowMs = Date.now()): Promise<TlsServer> {
  const { privateKeyPem, certificatePem } = await createSelfSignedCertificate({ commonName, days: 1, nowMs, rsaBits: 2048 });
  return startTlsServer(privateKeyPem, certificatePem);
}

/** Starts an https server whose certificate was issued by a certificate authority of its own. */
async function startPrivatelyIssued(): Promise<TlsServer & { readonly rootFile: string }> {
  const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: directory, stdio: 'pipe' });
  const newKey = ['-newkey', 'rsa:2048', '-noenc'];
  openssl('req', '-x509', ...newKey, '-keyout', 'root.key', '-out', 'root.pem', '-subj', '/CN=Acme root', '-days', '2');
  openssl('req', ...newKey, '-keyout', 'leaf.key', '-out', 'leaf.csr', '-subj', '/CN=localhost');
  openssl('x509', '-req', '-in', 'leaf.csr', '-CA', 'root.pem', '-CAkey', 'root.key', '-CAcreateserial', '-out', 'leaf.pem', '-days', '1');
  const textOf = (name: string) => readFileSync(path.join(directory, name), 'utf8');
  return { ...(await startTlsServer(textOf('leaf.key'), textOf('leaf.pem'))), rootFile: path.join(directory, 'root.pem') };
}

const whoami = (url: string, environment: Record<string, string> = {}) =>
  home.run(['whoami'], { SAMLGATE_URL: url, SAMLGATE_CLI_TOKEN: 'samlgate_cli_x', ...environment });

/** Runs a command that fails, and returns its error message. */
async function messageOf(url: string, environment: Record<string, string> = {}): Promise<string> {
  const { code, stdout, stderr } = await whoami(url, environment);
  expect([code, stdout]).toEqual([1, '']);
  return stderr;
}

describe('samlgate command against a gateway with a TLS problem', () => {
  test('names NODE_EXTRA_CA_CERTS for a self-signed certificate, and works with it', async () => {
    const { url, certificateFile } = await startSelfSigned();
    const message = await messageOf(url);
    expect(message).toContain(`The gateway at ${url} has a self-signed certificate (DEPTH_ZERO_SELF_SIGNED_CERT).`);
    expect(message).toContain('set NODE_EXTRA_CA_CERTS to the path of a PEM file with this certificate');
    expect(await whoami(url, { NODE_EXTRA_CA_CERTS: certificateFile })).toMatchObject({ code: 0, stderr: '' });
  });

  test('names NODE_EXTRA_CA_CERTS for an unknown certificate authority, and works with it', async () => {
    const { url, rootFile } = await startPrivatelyIssued();
    const message = await messageOf(url);
    expect(message).toContain(`The certificate of the gateway at ${url} was issued by an unknown certificate authority (UNABLE_TO_`);
    expect(message).toContain('set NODE_EXTRA_CA_CERTS to the path of a PEM file with its root certificate');
    expect(await whoami(url, { NODE_EXTRA_CA_CERTS: rootFile })).toMatchObject({ code: 0, stderr: '' });
  });

  test('names the operator and the clock for an expired certificate', async () => {
    const { url, certificateFile } = await startSelfSigned('localhost', Date.now() - 3 * DAY_MS);
    const message = await messageOf(url, { NODE_EXTRA_CA_CERTS: certificateFile });
    expect(message).toContain(`The certificate of the gateway at ${url} has expired (CERT_HAS_EXPIRED).`);
    expect(message).toContain('must renew it. Also check this machine’s clock. Its time is 2');
  });

  test('names the clock for a certificate that is not valid yet', async () => {
    const { url, certificateFile } = await startSelfSigned('localhost', Date.now() + 3 * DAY_MS);
    const message = await messageOf(url, { NODE_EXTRA_CA_CERTS: certificateFile });
    expect(message).toContain('is not valid yet (CERT_NOT_YET_VALID). Check this machine’s clock.');
  });

  test('names both host names if the certificate is for another host', async () => {
    const { url, certificateFile } = await startSelfSigned('sso.other.example');
    const message = await messageOf(url, { NODE_EXTRA_CA_CERTS: certificateFile });
    expect(message).toContain('is for another host name (ERR_TLS_CERT_ALTNAME_INVALID).');
    expect(message).toContain('Expected localhost, received sso.other.example.');
  });

  test('says that a plain http server does not speak TLS', async () => {
    const port = await portOf(createHttpServer((_request, response) => response.end()));
    expect(await messageOf(`https://localhost:${port}`)).toContain(`The server at https://localhost:${port} does not use TLS`);
  });
});

describe('samlgate command against a gateway that can’t be reached', () => {
  test('says that the connection was refused', async () => {
    const port = await freePort();
    const message = await messageOf(`http://127.0.0.1:${port}`, { HTTP_PROXY: 'http://127.0.0.1:1' });
    expect(message).toBe(
      `The connection to the gateway at http://127.0.0.1:${port} was refused (ECONNREFUSED). Nothing accepts connections on port ${port} of 127.0.0.1. Start the gateway, or correct the URL.\n`,
    );
  });

  test('says that the host name was not found, and names NODE_USE_ENV_PROXY only if a proxy is set that Node.js does not use', async () => {
    const withoutProxy = await messageOf('http://sso.invalid');
    expect(withoutProxy).toMatch(/^The host name sso\.invalid (was not found \(ENOTFOUND\)|could not be looked up)/);
    expect(withoutProxy).not.toContain('PROXY');
    expect(await messageOf('http://sso.invalid', { HTTP_PROXY: 'http://127.0.0.1:1' })).toContain(
      'HTTP_PROXY is set, but Node.js uses it only if NODE_USE_ENV_PROXY=1 is also set.',
    );
  });

  test('says that the connection was closed before the answer was complete', async () => {
    const port = await portOf(createTcpServer((socket) => socket.destroy()));
    expect(await messageOf(`http://127.0.0.1:${port}`)).toContain('was closed before the answer was complete');
  });

  test('says that a redirect is not followed', async () => {
    const server = createHttpServer((_request, response) => response.writeHead(301, { location: 'https://sso.invalid/' }).end());
    const port = await portOf(server);
    expect(await messageOf(`http://127.0.0.1:${port}`)).toContain('redirects to another address. Redirects are not followed');
  });
});

describe('explainConnectionError and explainTimeout', () => {
  const failure = (code: string) => Object.assign(new TypeError('fetch failed'), { cause: Object.assign(new Error(code), { code }) });
  const detailOf = (url: string, environment: Record<string, string>) =>
    explainConnectionError(url, failure('ENOTFOUND'), environment).detail;
  const PROXY = { https_proxy: 'http://proxy.example:3128' };

  test.each([
    ['ETIMEDOUT', 'timed out'],
    ['UND_ERR_CONNECT_TIMEOUT', 'timed out'],
    ['EAI_AGAIN', 'could not be looked up'],
    ['ENETUNREACH', 'has no route'],
    ['EHOSTUNREACH', 'has no route'],
    ['ECONNRESET', 'was closed before'],
    ['SELF_SIGNED_CERT_IN_CHAIN', 'unknown certificate authority'],
    ['ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION', 'TLS connection'],
    ['constructor', 'failed (constructor)'],
  ])('explains %s', (code, words) => {
    expect(explainConnectionError('https://sso.example', failure(code), {}).title).toContain(words);
  });

  test('names the proxy that applies to the URL', () => {
    expect(detailOf('https://sso.example', PROXY)).toContain('https_proxy is set, but Node.js uses it only if NODE_USE_ENV_PROXY=1');
    expect(detailOf('http://sso.example', PROXY)).not.toContain('proxy');
    expect(explainTimeout('https://sso.example', 30_000, PROXY)).toEqual({
      title: 'The gateway at https://sso.example did not answer within 30 seconds',
      detail: expect.stringContaining('NODE_USE_ENV_PROXY=1'),
    });
  });

  test('suspects the proxy if Node.js uses it', () => {
    expect(detailOf('https://sso.example', { ...PROXY, NODE_USE_ENV_PROXY: '1' })).toContain(
      'The request went through the proxy that https_proxy names.',
    );
  });

  test.each(['sso.example', '.example', '*.example', 'other.test, example', 'sso.example:443', '*'])('respects NO_PROXY=%s', (NO_PROXY) => {
    expect(detailOf('https://sso.example', { ...PROXY, NO_PROXY })).not.toContain('PROXY');
  });

  test('says nothing about a proxy for a certificate that was received', () => {
    const { detail } = explainConnectionError('https://sso.example', failure('CERT_HAS_EXPIRED'), PROXY);
    expect(detail).not.toContain('proxy');
  });
});

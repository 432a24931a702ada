import { request as httpRequest } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import type { Problem } from '../support/session-calls.ts';

let gateway: TestGateway;

beforeAll(async () => {
  gateway = await startGateway();
});
afterAll(() => gateway.stop());

describe('bad requests to any path', () => {
  const PATHS = [
    '/',
    '/login',
    '/logout',
    '/console',
    '/healthz',
    '/readyz',
    '/metrics',
    '/device',
    '/assets/style.css',
    '/assets/../main.js',
    '/saml/acme/metadata',
    '/saml/acme/login',
    '/saml/acme/acs',
    '/saml/acme/slo',
    '/saml/%00/login',
    '/saml/%zz/login',
    '/%',
    '/api',
    '/api/v1',
    '/api/v1/me',
    '/api/v1/organizations',
    '/api/v1/organizations/%2e%2e',
    '/api/v1/nothing',
    '/oauth/token',
    '/auth/verify',
    '/.well-known/jwks.json',
    '/.env',
    '/__proto__',
    '/constructor',
    `/${'a'.repeat(4000)}`,
    '/login?return_to[]=x&return_to[a]=b',
    '/login?return_to=a&return_to=b',
    '/console?x=%ff',
  ];
  const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS', 'TRACE', 'PROPFIND'];

  it('answers every method on every path without a 500 or a stack trace', async () => {
    for (const resource of PATHS) {
      for (const method of METHODS) {
        const { status, text } = await raw(
          method,
          resource,
          { 'content-type': 'application/json' },
          method === 'GET' || method === 'HEAD' ? undefined : '{"a":',
        );
        expect([method, resource.slice(0, 40), status < 500]).toEqual([method, resource.slice(0, 40), true]);
        expect(text).not.toMatch(/node_modules|\.[jt]sx?:\d+|at \w+ \(/);
      }
    }
  });

  it('answers hostile headers without a 500', async () => {
    for (const headers of [
      { cookie: 'samlgate_session=%' },
      { cookie: `samlgate_session=${'x'.repeat(7000)}` },
      { cookie: '=;;;=; __proto__=x; samlgate_session' },
      { authorization: 'Bearer \u00ff' },
      { 'content-length': '0' },
      { 'x-forwarded-for': '<script>' },
      { accept: '*/*;q=x, ,;' },
      { 'content-encoding': 'br' },
      { 'transfer-encoding': 'chunked' },
      { host: 'evil.example' },
      { origin: 'null' },
      { 'if-none-match': '*', 'if-modified-since': 'x' },
      { range: 'bytes=0-' },
    ]) {
      for (const resource of ['/console', '/api/v1/me', '/login', '/saml/acme/metadata', '/assets/style.css']) {
        const { status } = await raw('GET', resource, headers);
        expect([JSON.stringify(headers).slice(0, 60), resource, status < 500]).toEqual([
          JSON.stringify(headers).slice(0, 60),
          resource,
          true,
        ]);
      }
    }
  });

  it('rejects malformed JSON, other content types and large bodies with the documented errors', async () => {
    const post = async (body: string, type: string) => {
      const response = await fetch(`${gateway.url}/api/v1/organizations`, {
        method: 'POST',
        headers: { authorization: `Bearer ${gateway.operatorToken}`, 'content-type': type },
        body,
      });
      return [response.status, ((await response.json()) as Problem).code];
    };
    expect(await post('{"slug":', 'application/json')).toEqual([400, 'validation_failed']);
    expect(await post('\ud800', 'application/json')).toEqual([400, 'validation_failed']);
    expect(await post('{}', 'application/json; charset=utf-16')).toEqual([400, 'validation_failed']);
    expect(await post('slug=x', 'application/x-www-form-urlencoded')).toEqual([400, 'validation_failed']);
    expect(await post(`{"name":"${'x'.repeat(3_000_000)}"}`, 'application/json')).toEqual([413, 'payload_too_large']);
    expect(await post('{"__proto__":{"slug":"ab","name":"x"}}', 'application/json')).toEqual([400, 'validation_failed']);
    expect(await post(`${'['.repeat(100_000)}`, 'application/json')).toEqual([400, 'validation_failed']);
  });

  it.each([
    ['PUT', '/organizations/logo/logo', 'image/png', 'The image is too large'],
    ['PATCH', '/organizations/logo', 'application/json', 'The request is too large'],
    ['PUT', '/organizations/identity-provider/identity-provider', 'application/xml', 'The metadata file is too large'],
    ['PUT', '/organizations/identity-provider/identity-provider', 'application/json', 'The metadata file is too large'],
    ['PATCH', '/organizations/identity-provider/identity-provider', 'application/json', 'The request is too large'],
    ['PATCH', '/organizations/identity-provider', 'application/json', 'The request is too large'],
    ['POST', '/organizations/identity-provider/connections?name=Second', 'text/xml', 'The metadata file is too large'],
    ['POST', '/organizations/identity-provider/connections', 'application/json', 'The metadata file is too large'],
    ['PUT', '/organizations/identity-provider/connections/con_1', 'multipart/form-data; boundary=x', 'The metadata file is too large'],
    ['PATCH', '/organizations/identity-provider/connections/con_1', 'application/json', 'The request is too large'],
  ])('names what is too large: %s %s as %s', async (method, path, type, title) => {
    const slug = path.split('/')[2] ?? '';
    await gateway.makeOrganization(slug);
    const response = await fetch(`${gateway.url}/api/v1${path}`, {
      method,
      headers: { authorization: `Bearer ${gateway.operatorToken}`, 'content-type': type },
      body: 'x'.repeat(3_000_000),
    });
    expect([response.status, await response.json()]).toEqual([413, expect.objectContaining({ code: 'payload_too_large', title })]);
    await gateway.api('DELETE', `/organizations/${slug}`);
  });

  it('answers browsers with a page and programs with JSON, with the same code and request ID', async () => {
    const page = await raw('GET', '/saml/nobody-here/login', { accept: 'text/html' });
    expect(page.text).toContain('organization_unknown');
    expect(page.text).toContain(page.headers['x-request-id']);
    const json = await raw('GET', '/saml/nobody-here/login', { accept: 'application/json' });
    expect(JSON.parse(json.text)).toMatchObject({ code: 'organization_unknown', request_id: json.headers['x-request-id'] });
    expect((await raw('GET', '/api/v1/nothing', { accept: 'text/html' })).headers['content-type']).toMatch(/^application\/problem\+json/);
  });

  it('sends pages with a policy that allows nothing inline, and with the headers of helmet', async () => {
    for (const resource of ['/login', '/saml/nobody-here/login', '/logout']) {
      const { headers } = await raw('GET', resource, { accept: 'text/html' });
      expect(headers['content-security-policy']).toMatch(/default-src 'none'/);
      expect(headers['content-security-policy']).not.toMatch(/unsafe/);
      expect(headers).toMatchObject({ 'x-content-type-options': 'nosniff', 'x-frame-options': 'DENY', 'cache-control': 'no-store' });
      expect(headers['x-powered-by']).toBeUndefined();
    }
  });

  it.each([
    ['http', undefined],
    ['https', 'max-age=63072000'],
  ])('sends every answer with the headers that protect browsers, over %s', async (scheme, hsts) => {
    const environment = scheme === 'https' ? { SAMLGATE_BASE_URL: 'https://sso.example.com' } : {};
    const other = await startGateway({ environment });
    const { host, port } = other.runtime.config.listen;
    try {
      for (const resource of ['/login', '/saml/nobody-here/login', '/nothing-here', '/api/v1/nothing', '/auth/verify', '/healthz']) {
        const { headers } = await fetch(`http://${host}:${port}${resource}`, { redirect: 'manual' });
        const got = Object.fromEntries([...headers].filter(([name]) => /^(cross-origin|origin-agent|referrer|strict|x-)/.test(name)));
        const { 'x-request-id': _, ...rest } = got;
        expect({ resource, ...rest }).toEqual({
          resource,
          'cross-origin-opener-policy': 'same-origin',
          'cross-origin-resource-policy': 'same-origin',
          'origin-agent-cluster': '?1',
          'referrer-policy': 'same-origin',
          'x-content-type-options': 'nosniff',
          'x-dns-prefetch-control': 'off',
          'x-download-options': 'noopen',
          'x-frame-options': 'DENY',
          'x-permitted-cross-domain-policies': 'none',
          'x-xss-protection': '0',
          ...(hsts === undefined ? {} : { 'strict-transport-security': hsts }),
        });
        expect(headers.get('content-security-policy')).toMatch(/default-src 'none'/);
      }
    } finally {
      await other.stop();
    }
  });

  /** Sends a request without fetch, which would correct it. */
  function raw(
    method: string,
    resource: string,
    headers: Record<string, string | undefined> = {},
    body?: string,
  ): Promise<{ status: number; headers: Record<string, string>; text: string }> {
    const given = Object.fromEntries(Object.entries(headers).filter(([, value]) => value !== undefined)) as Record<string, string>;
    const { hostname, port } = new URL(gateway.url);
    // Without it, Node sends some methods without framing the body, which the server would read as the next request.
    if (body !== undefined) given['content-length'] ??= String(Buffer.byteLength(body));
    return new Promise((resolve, reject) => {
      const request = httpRequest({ hostname, port, method, path: resource, headers: given }, (response) => {
        let text = '';
        response.on('data', (chunk) => (text += String(chunk)));
        response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers as Record<string, string>, text }));
      });
      request.on('error', reject);
      request.end(body);
    });
  }
});

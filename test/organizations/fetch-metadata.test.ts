import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, request as httpRequest, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer, request as httpsRequest } from 'node:https';
import {
  type AddressInfo,
  createServer as createSocketServer,
  getDefaultAutoSelectFamily,
  type Socket,
  type Server as SocketServer,
  setDefaultAutoSelectFamily,
} from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { gzipSync } from 'node:zlib';
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { GatewayError } from '../../src/errors.ts';
import { type FetchDependencies, fetchMetadata, isPublicAddress } from '../../src/organizations/connections/fetch-metadata.ts';

const PUBLIC = '93.184.215.14';
const METADATA = '<EntityDescriptor/>';
const NOT_PUBLIC = /was not found, or its address is not public/;

const servers: (Server | SocketServer)[] = [];
const sockets = new Set<Socket>();
afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  await Promise.all(servers.splice(0).map((server) => new Promise((resolve) => server.close(resolve))));
});

async function listen<T extends Server | SocketServer>(server: T): Promise<number> {
  servers.push(server);
  server.on('connection', (socket: Socket) => sockets.add(socket));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

/** A server on the loopback interface that records its requests. */
async function serve(handler: RequestListener): Promise<{ url: string; port: number; requests: IncomingMessage[] }> {
  const requests: IncomingMessage[] = [];
  const port = await listen(
    createServer((request, response) => {
      requests.push(request);
      handler(request, response);
    }),
  );
  return { url: `http://127.0.0.1:${port}`, port, requests };
}

interface Internet {
  readonly dependencies: FetchDependencies;
  /** All names that were looked up. */
  readonly lookedUp: string[];
  /** `host=address,address` of every connection that was started. */
  readonly pinned: string[];
}

/** An internet in which `names` have addresses, and every connection leads to one loopback server. */
function internet(port: number, names: Record<string, string[]>): Internet {
  const lookedUp: string[] = [];
  const pinned: string[] = [];
  const lookup = (hostname: string) => {
    lookedUp.push(hostname);
    const addresses = names[hostname];
    if (!addresses) return Promise.reject(new Error('ENOTFOUND'));
    return Promise.resolve(addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })));
  };
  const request: FetchDependencies['request'] = (url, { signal, headers, lookup: pin }) => {
    pin?.(url.hostname, { all: true }, (_error, addresses) => {
      pinned.push(`${url.hostname}=${(addresses as { address: string }[]).map(({ address }) => address).join()}`);
    });
    const own = { ...(headers as Record<string, string>), host: url.host };
    return httpRequest({ host: '127.0.0.1', port, path: url.pathname + url.search, headers: own, agent: false, ...(signal && { signal }) });
  };
  return { dependencies: { lookup, request }, lookedUp, pinned };
}

async function refusal(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(
    () => new Error('was not refused'),
    (caught: unknown) => caught,
  );
  if (error instanceof GatewayError && error.code === 'idp_metadata_invalid') return error.facts.detail ?? '';
  throw error;
}

const text = async (promise: Promise<Uint8Array>) => Buffer.from(await promise).toString();

describe('isPublicAddress', () => {
  it.each([
    ...['1.1.1.1', '8.8.8.8', PUBLIC, '9.255.255.255', '11.0.0.0', '100.63.255.255', '100.128.0.0', '126.255.255.255', '128.0.0.0'],
    ...['169.253.255.255', '169.255.0.0', '172.15.255.255', '172.32.0.0', '192.0.1.0', '192.0.3.0', '192.167.255.255', '192.169.0.0'],
    ...['198.17.255.255', '198.20.0.0', '198.51.99.255', '203.0.114.0', '223.255.255.255', '168.63.129.15'],
    ...[
      '2606:2800:21f:cb07:6820:80da:af6b:8b2c',
      '2a00:1450:4001:830::200e',
      '2001:4860:4860::8888',
      '2001:200::',
      '2003::1',
      '3ffe:ffff::1',
    ],
  ])('accepts %s', (ip) => {
    expect(isPublicAddress(ip)).toBe(true);
  });

  it.each([
    ['this network', '0.0.0.0', '0.1.2.3'],
    ['loopback', '127.0.0.1', '127.255.255.255', '::1', '0:0:0:0:0:0:0:1'],
    ['private', '10.0.0.0', '10.255.255.255', '172.16.0.0', '172.31.255.255', '192.168.0.0', '192.168.255.255'],
    ['carrier-grade NAT', '100.64.0.0', '100.100.100.200', '100.127.255.255'],
    [
      'link-local and instance metadata',
      '169.254.0.0',
      '169.254.169.254',
      '169.254.255.255',
      '192.0.0.192',
      '168.63.129.16',
      'fd00:ec2::254',
    ],
    [
      'protocol assignments',
      '192.0.0.0',
      '192.0.0.255',
      '192.88.99.1',
      '198.18.0.0',
      '198.19.255.255',
      '2001:2::1',
      '2001:10::1',
      '2001:20::1',
    ],
    ['documentation', '192.0.2.1', '198.51.100.1', '203.0.113.255', '2001:db8::1', '2001:db8:ffff::', '3fff::1', '3fff:fff::1'],
    ['multicast', '224.0.0.1', '239.255.255.255', 'ff02::1', 'ff0e::1'],
    ['reserved and broadcast', '240.0.0.0', '255.255.255.255'],
    ['unspecified', '::', '0:0:0:0:0:0:0:0'],
    ['IPv4-mapped', '::ffff:127.0.0.1', '::ffff:7f00:1', '::ffff:8.8.8.8', '::ffff:a00:1', '0:0:0:0:0:ffff:10.0.0.1'],
    ['IPv4-compatible and translated', '::127.0.0.1', '::8.8.8.8', '::ffff:0:127.0.0.1'],
    ['NAT64', '64:ff9b::127.0.0.1', '64:ff9b::a9fe:a9fe', '64:ff9b::808:808', '64:ff9b:1::1'],
    ['6to4', '2002:7f00:1::', '2002:808:808::1'],
    ['Teredo', '2001::1', '2001:0:4136:e378:8000:63bf:3fff:fdd2'],
    ['unique local', 'fc00::1', 'fd12:3456:789a::1', 'fdff:ffff::'],
    ['link-local and site-local of IPv6', 'fe80::1', 'febf::1', 'fec0::1'],
    ['unassigned', '100::1', '200::1', '4000::1', '5f00::1', '1fff:ffff::', '8000::1'],
    ['with a zone', 'fe80::1%eth0', '2606:2800:21f::1%eth0', '2606:2800:21f::1%'],
    [
      'not in plain form',
      '0x7f.1',
      '0x08080808',
      '2130706433',
      '134744072',
      '8.8',
      '08.8.8.8',
      '010.8.8.8',
      '8.8.8.8.',
      '8.8.8.8/8',
      ' 8.8.8.8',
      '8.8.8.256',
    ],
    ['no address at all', '', 'localhost', 'example.com', '[2606:2800:21f::1]', '2606:2800:21f::1::', '::ffff:8.8.8'],
  ])('rejects addresses: %s', (_name, ...addresses) => {
    expect(addresses.filter(isPublicAddress)).toEqual([]);
  });
});

describe('URLs that fetchMetadata accepts', () => {
  const never = { ...internet(1, {}).dependencies, lookup: () => Promise.reject(new Error('requests')) };

  it.each([
    ['a relative URL', 'metadata.xml', /not an absolute URL/],
    ['an empty URL', '', /not an absolute URL/],
    ['a URL of more than 2048 characters', `https://idp.example.com/${'x'.repeat(2048)}`, /2048/],
    ['a URL of more than 2048 characters once it is percent-encoded', `https://idp.example.com/${'é'.repeat(1000)}`, /2048/],
    ['a user name', 'https://user@idp.example.com/', /user name/],
    ['a password', 'https://:secret@idp.example.com/', /user name/],
    ['http to a name', 'http://idp.example.com/', /begin with https/],
    ['http to a public address', `http://${PUBLIC}/`, /begin with https/],
    ['http to a name that looks like a loopback name', 'http://localhost.example.com/', /begin with https/],
    ['http to an address that looks like loopback', 'http://127.0.0.1.example.com/', /begin with https/],
    ['http to a private address', 'http://10.0.0.1/', /begin with https/],
    ['http to the unspecified address', 'http://0.0.0.0/', /begin with https/],
    ['http to IPv4-mapped loopback', 'http://[::ffff:127.0.0.1]/', /begin with https/],
    ['file', 'file:///etc/passwd', /begin with https/],
    ['data', 'data:text/xml,<x/>', /begin with https/],
    ['ftp', 'ftp://idp.example.com/', /begin with https/],
    ['blob', 'blob:https://idp.example.com/1', /begin with https/],
  ])('refuses %s', async (_name, url, detail) => {
    expect(await refusal(fetchMetadata(url, never))).toMatch(detail);
  });

  it.each([
    ...[
      '10.0.0.1',
      '192.168.1.1',
      '172.16.5.4',
      '169.254.169.254',
      '100.64.0.1',
      '0.0.0.0',
      '255.255.255.255',
      '[::]',
      '[::ffff:127.0.0.1]',
      '[::127.0.0.1]',
    ],
    ...[
      '[fd00::1]',
      '[fe80::1]',
      '[64:ff9b::7f00:1]',
      '[2002:7f00:1::]',
      '0xa.1',
      '167772161',
      '012.0.0.1',
      '0',
      '0xa9fea9fe',
      '169.254.43518',
      '①⓪.0.0.1',
      '10。0。0。1',
    ],
  ])('refuses https to %s without a lookup', async (host) => {
    expect(await refusal(fetchMetadata(`https://${host}/`, never))).toMatch(NOT_PUBLIC);
  });

  it('returns the same text for an unknown name, a name of a private address and a private address', async () => {
    const { dependencies } = internet(1, { 'inside.example': ['10.1.2.3'], 'empty.example': [] });
    const details = await Promise.all(
      ['absent.example', 'inside.example', 'empty.example', '10.1.2.3'].map((host) =>
        refusal(fetchMetadata(`https://${host}/`, dependencies)),
      ),
    );
    expect(new Set(details).size).toBe(1);
    expect(details[0]).not.toMatch(/10\.|example/);
  });

  it('refuses a name if one of its addresses is not public', async () => {
    for (const inside of ['127.0.0.1', '::1', '10.0.0.1', '169.254.169.254', '::ffff:10.0.0.1']) {
      const { dependencies, pinned } = internet(1, { 'idp.example': [PUBLIC, inside] });
      expect(await refusal(fetchMetadata('https://idp.example/', dependencies))).toMatch(NOT_PUBLIC);
      expect(pinned).toEqual([]);
    }
  });
});

describe('connections of fetchMetadata', () => {
  it('looks up a name once and connects only to the checked addresses', async () => {
    const { port, requests } = await serve((_request, response) => response.end(METADATA));
    const { dependencies, lookedUp, pinned } = internet(port, { 'idp.example': [PUBLIC, '2606:2800:21f::1'] });
    expect(await text(fetchMetadata('https://idp.example/metadata?x=1', dependencies))).toBe(METADATA);
    expect(lookedUp).toEqual(['idp.example']);
    expect(pinned).toEqual([`idp.example=${PUBLIC},2606:2800:21f::1`]);
    expect(requests[0]?.url).toBe('/metadata?x=1');
  });

  it('fetches over http from loopback hosts, without a lookup', async () => {
    const { port, requests } = await serve((_request, response) => response.end(METADATA));
    const lookup = () => Promise.reject(new Error('requests'));
    for (const host of ['127.0.0.1', 'localhost', 'LOCALHOST', 'idp.localhost', '0x7f.1', '2130706433']) {
      expect(await text(fetchMetadata(`http://${host}:${port}/`, { lookup }))).toBe(METADATA);
    }
    expect(requests.map(({ headers }) => headers.host)).toEqual(
      ['127.0.0.1', 'localhost', 'localhost', 'idp.localhost', '127.0.0.1', '127.0.0.1'].map((host) => `${host}:${port}`),
    );
  });

  it('connects only to checked addresses if Node tries a single address', async () => {
    const { port } = await serve((_request, response) => response.end(METADATA));
    const before = getDefaultAutoSelectFamily();
    setDefaultAutoSelectFamily(false);
    try {
      expect(await text(fetchMetadata(`http://no-such-host.localhost:${port}/`))).toBe(METADATA);
    } finally {
      setDefaultAutoSelectFamily(before);
    }
  });

  it('refuses loopback hosts if they are not allowed', async () => {
    const { port, requests } = await serve((_request, response) => response.end(METADATA));
    for (const url of [`http://127.0.0.1:${port}`, `http://localhost:${port}`, `https://[::1]:${port}`]) {
      expect(await refusal(fetchMetadata(url, { allowLoopback: false }))).toMatch(NOT_PUBLIC);
    }
    expect(requests).toEqual([]);
  });

  it('sends no cookies and no credentials, and requests uncompressed content', async () => {
    const { url, requests } = await serve((request, response) =>
      request.url === '/' ? response.writeHead(302, { location: '/next', 'set-cookie': 'a=b' }).end() : response.end(METADATA),
    );
    await fetchMetadata(url);
    expect(requests.map(({ method }) => method)).toEqual(['GET', 'GET']);
    for (const { headers } of requests) {
      expect(Object.keys(headers).sort()).toEqual(['accept', 'accept-encoding', 'connection', 'host', 'user-agent']);
      expect(headers['accept-encoding']).toBe('identity');
    }
  });
});

describe('TLS of fetchMetadata', () => {
  const folder = mkdtempSync(join(tmpdir(), 'samlgate-fetch-'));
  const [keyFile, certFile] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
  const subject = ['-subj', '/CN=idp.example', '-addext', 'subjectAltName=DNS:idp.example,DNS:localhost'];
  execFileSync(
    'openssl',
    ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '9', ...subject, '-keyout', keyFile, '-out', certFile],
    { stdio: 'pipe' },
  );
  const [key, cert] = [readFileSync(keyFile), readFileSync(certFile)];
  rmSync(folder, { recursive: true });

  /** The real request with the real options, except that every public address leads to the test server. */
  async function overTls(trusted: boolean) {
    const seen: { host: string | undefined; servername: unknown }[] = [];
    const server = createTlsServer({ key, cert }, (request, response) => {
      seen.push({ host: request.headers.host, servername: (request.socket as TLSSocket).servername });
      response.end(METADATA);
    });
    const port = await listen(server);
    const request: FetchDependencies['request'] = (url, options) =>
      httpsRequest(url, {
        ...options,
        lookup: (_hostname, _options, callback) => callback(null, [{ address: '127.0.0.1', family: 4 }]),
        ...(trusted && { ca: cert }),
      });
    const lookup = () => Promise.resolve([{ address: PUBLIC, family: 4 }]);
    return { port, seen, dependencies: { request, lookup } };
  }

  it('uses the name of the URL for TLS and the Host header', async () => {
    const { port, seen, dependencies } = await overTls(true);
    expect(await text(fetchMetadata(`https://idp.example:${port}/`, dependencies))).toBe(METADATA);
    expect(seen).toEqual([{ host: `idp.example:${port}`, servername: 'idp.example' }]);
  });

  it('refuses a certificate for another name or from an unknown issuer', async () => {
    const trusted = await overTls(true);
    expect(await refusal(fetchMetadata(`https://other.example:${trusted.port}/`, trusted.dependencies))).toMatch(/TLS certificate/);
    const unknown = await overTls(false);
    expect(await refusal(fetchMetadata(`https://idp.example:${unknown.port}/`, unknown.dependencies))).toMatch(/TLS certificate/);
    expect(await refusal(fetchMetadata(`https://localhost:${unknown.port}/`))).toMatch(/TLS certificate/);
    expect([...trusted.seen, ...unknown.seen]).toEqual([]);
  });

  it('verifies certificates even if the environment turns that off', async () => {
    const { port, dependencies } = await overTls(false);
    const before = process.env.NODE_TLS_REJECT_UNAUTHORIZED;
    process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0';
    try {
      expect(await refusal(fetchMetadata(`https://idp.example:${port}/`, dependencies))).toMatch(/TLS certificate/);
    } finally {
      if (before === undefined) delete process.env.NODE_TLS_REJECT_UNAUTHORIZED;
      else process.env.NODE_TLS_REJECT_UNAUTHORIZED = before;
    }
  });
});

describe('redirects of fetchMetadata', () => {
  /** Answers `/N` with a redirect to `/N-1`, and `/0` with metadata. */
  const countdown: RequestListener = (request, response) => {
    const left = Number(request.url?.slice(1));
    if (left === 0) response.end(METADATA);
    else response.writeHead(301 + (left % 2), { location: `/${left - 1}` }).end('SECRET');
  };
  const to = (location: string | undefined, status = 302) =>
    serve((request, response) =>
      request.url === '/end' ? response.end(METADATA) : response.writeHead(status, location === undefined ? {} : { location }).end(),
    );

  it('follows at most three redirects', async () => {
    const { url } = await serve(countdown);
    expect(await text(fetchMetadata(`${url}/3`))).toBe(METADATA);
    expect(await refusal(fetchMetadata(`${url}/4`))).toMatch(/more than 3 times/);
  });

  it.each([301, 302, 303, 307, 308])('follows a redirect with status %d', async (status) => {
    expect(await text(fetchMetadata((await to('/end', status)).url))).toBe(METADATA);
  });

  it.each([300, 304, 305, 306])('does not follow status %d', async (status) => {
    expect(await refusal(fetchMetadata((await to('/end', status)).url))).toMatch(new RegExp(`status ${status}`));
  });

  it('checks the addresses of every host on the way', async () => {
    const { port } = await to('https://cdn.example/end');
    const { dependencies, lookedUp, pinned } = internet(port, { 'idp.example': [PUBLIC], 'cdn.example': ['1.1.1.1'] });
    expect(await text(fetchMetadata('https://idp.example/', dependencies))).toBe(METADATA);
    expect(lookedUp).toEqual(['idp.example', 'cdn.example']);
    expect(pinned).toEqual([`idp.example=${PUBLIC}`, 'cdn.example=1.1.1.1']);
  });

  it.each([
    ['http on a public host', 'http://idp.example/end', /begin with https/],
    ['http on a loopback name', 'http://localhost/end', /from https to http/],
    ['https on a loopback name', 'https://localhost/end', NOT_PUBLIC],
    ['https on a loopback address', 'https://127.0.0.1/end', NOT_PUBLIC],
    ['a name of a loopback address', 'https://rebind.example/end', NOT_PUBLIC],
    ['a name of a private address', 'https://inside.example/end', NOT_PUBLIC],
    ['a private address', '//10.0.0.1/end', NOT_PUBLIC],
    ['a private address in hexadecimal', 'https://0xa9fea9fe/end', NOT_PUBLIC],
    ['a URL with credentials', 'https://a:b@idp.example/end', /user name/],
    ['a file', 'file:///etc/passwd', /begin with https/],
    ['an invalid URL', 'https://', /not an absolute URL/],
    ['a URL that is too long', `/${'x'.repeat(3000)}`, /2048/],
    ['no Location', undefined, /without a Location header/],
  ])('does not follow a redirect from a public host to %s', async (_name, location, detail) => {
    const { port, requests } = await to(location);
    const names = { 'idp.example': [PUBLIC], 'rebind.example': ['127.0.0.1'], 'inside.example': ['10.0.0.1'] };
    expect(await refusal(fetchMetadata('https://idp.example/', internet(port, names).dependencies))).toMatch(detail);
    expect(requests).toHaveLength(1);
  });

  it('follows a redirect from a loopback host to the internet, but not back', async () => {
    const { port, requests } = await serve((request, response) =>
      response.writeHead(302, { location: request.headers.host === 'localhost' ? 'https://idp.example/' : 'https://localhost/' }).end(),
    );
    expect(await refusal(fetchMetadata('http://localhost/', internet(port, { 'idp.example': [PUBLIC] }).dependencies))).toMatch(NOT_PUBLIC);
    expect(requests).toHaveLength(2);
  });
});

describe('responses to fetchMetadata', () => {
  it.each([201, 204, 206, 400, 401, 403, 404, 500, 503])('refuses status %d', async (status) => {
    const { url } = await serve((_request, response) => response.writeHead(status).end());
    expect(await refusal(fetchMetadata(url))).toMatch(new RegExp(`HTTP status ${status} instead of 200`));
  });

  it('never repeats content of the server', async () => {
    const { url } = await serve((request, response) => {
      if (request.url === '/r') response.writeHead(302, { location: 'http://SECRET.example/' }).end('SECRET');
      else response.writeHead(403, 'SECRET', { 'x-secret': 'SECRET' }).end('SECRET');
    });
    for (const path of ['/', '/r']) expect((await refusal(fetchMetadata(url + path))).toLowerCase()).not.toMatch(/secret/);
  });

  it('accepts 1 MiB and not one octet more, with and without Content-Length', async () => {
    const { url } = await serve((request, response) => {
      const body = Buffer.alloc(1024 * 1024 + Number(request.url?.endsWith('more')), 0x20);
      if (request.url?.startsWith('/announced')) response.setHeader('content-length', body.length);
      else response.flushHeaders();
      response.end(body);
    });
    for (const path of ['/announced', '/chunked']) {
      expect(await fetchMetadata(url + path)).toHaveLength(1024 * 1024);
      expect(await refusal(fetchMetadata(`${url + path}/more`))).toMatch(/larger than 1 MiB/);
    }
  });

  it('stops reading at 1 MiB and closes the connection', async () => {
    let closed: Promise<unknown> | undefined;
    let sent = 0;
    const { url } = await serve((_request, response) => {
      closed = new Promise((resolve) => response.once('close', resolve));
      const more = (): void => {
        while (!response.destroyed && sent < 1e9) {
          sent += 65_536;
          if (!response.write(Buffer.alloc(65_536))) return void response.once('drain', more);
        }
      };
      more();
    });
    expect(await refusal(fetchMetadata(url))).toMatch(/larger/);
    await closed;
    expect(sent).toBeLessThan(100e6);
  });

  it('refuses compressed content, which could be of any size', async () => {
    const { url } = await serve((_request, response) => response.setHeader('content-encoding', 'gzip').end(gzipSync(METADATA)));
    expect(await refusal(fetchMetadata(url))).toMatch(/compressed/);
  });

  it.each([
    ['closes at once', ''],
    ['speaks no HTTP', '220 mail.example ESMTP\r\n'],
    ['ends before what it announced', 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort'],
    ['ends inside a chunk', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nshort'],
    ['switches protocols', 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n'],
    ['sends endless headers', `HTTP/1.1 200 OK\r\n${'x: y\r\n'.repeat(20_000)}`],
  ])('refuses a server that %s', async (_name, answer) => {
    const port = await listen(createSocketServer((socket) => socket.on('error', () => {}).once('data', () => socket.end(answer))));
    expect(await refusal(fetchMetadata(`http://127.0.0.1:${port}`))).toMatch(
      /can’t be reached, or its server closed the connection|another protocol/,
    );
  });

  it('refuses a port without a server', async () => {
    const port = await listen(createSocketServer());
    await new Promise((resolve) => servers.pop()?.close(resolve));
    expect(await refusal(fetchMetadata(`http://127.0.0.1:${port}`))).toMatch(/can’t be reached/);
  });
});

describe('timeout of fetchMetadata', () => {
  const timeoutMs = 200;
  const IN_TIME = /did not send a complete response within 0.2 seconds/;
  const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

  async function inTime(promise: Promise<unknown>): Promise<void> {
    const start = performance.now();
    expect(await refusal(promise)).toMatch(IN_TIME);
    // Far below the default of the timeout, with room for a busy machine.
    expect(performance.now() - start).toBeLessThan(timeoutMs + 3000);
  }

  it('includes the lookup', () => inTime(fetchMetadata('https://idp.example/', { lookup: () => new Promise(() => {}), timeoutMs })));

  it('ignores a lookup that fails after the timeout', async () => {
    const lookup = () => pause(timeoutMs * 2).then(() => Promise.reject(new Error('late')));
    await inTime(fetchMetadata('https://idp.example/', { lookup, timeoutMs }));
    await pause(timeoutMs * 2); // an unhandled rejection would fail the run
  });

  it('includes a server that accepts the connection and sends nothing', async () => {
    const port = await listen(createSocketServer());
    await inTime(fetchMetadata(`http://127.0.0.1:${port}`, { timeoutMs }));
  });

  it('includes a TLS handshake without an answer', async () => {
    const port = await listen(createSocketServer());
    await inTime(fetchMetadata(`https://localhost:${port}`, { timeoutMs }));
  });

  it.each(['headers', 'body', 'interim answers'])('includes %s that arrive slowly', async (what) => {
    const start = what === 'body' ? 'HTTP/1.1 200 OK\r\n\r\n' : what === 'headers' ? 'HTTP/1.1 200 OK\r\nx: ' : '';
    const port = await listen(
      createSocketServer((socket) => {
        socket.write(start);
        const timer = setInterval(() => socket.write(what === 'interim answers' ? 'HTTP/1.1 103 Early Hints\r\n\r\n' : 'x'), 20);
        socket.on('error', () => {}).on('close', () => clearInterval(timer));
      }),
    );
    await inTime(fetchMetadata(`http://127.0.0.1:${port}`, { timeoutMs }));
  });

  it('includes all redirects together', async () => {
    const { url } = await serve(
      (_request, response) => void setTimeout(() => response.writeHead(302, { location: '/' }).end(), timeoutMs * 0.4),
    );
    await inTime(fetchMetadata(url, { timeoutMs }));
  });

  it('closes the connection', async () => {
    const port = await listen(createSocketServer((socket) => socket.resume()));
    await inTime(fetchMetadata(`http://127.0.0.1:${port}`, { timeoutMs }));
    await pause(50);
    const open = await new Promise<number>((resolve) => servers.at(-1)?.getConnections((_error, count) => resolve(count)));
    expect(open).toBe(0);
  });

  it('is 5 seconds by default', async () => {
    const timer = jest.spyOn(globalThis, 'setTimeout');
    await refusal(fetchMetadata('https://10.0.0.1/'));
    expect(timer).toHaveBeenCalledWith(expect.anything(), 5000);
    timer.mockRestore();
  });
});

import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { type FormValues, HttpBrowser } from './browser.ts';

type Handler = (request: IncomingMessage, body: string, response: ServerResponse) => void;

let server: Server;
let port: number;
let answer: Handler;
let browser: HttpBrowser;
const at = (path: string, host = 'localhost') => `http://${host}:${port}${path}`;

/** Answers with the request as JSON. */
const echo: Handler = ({ method, url, headers }, body, response) => {
  response.setHeader('content-type', 'application/json');
  response.end(
    JSON.stringify({ method, url, cookie: headers.cookie ?? '', site: headers['sec-fetch-site'], origin: headers.origin, body }),
  );
};

/** Answers with a page at `/page`, and with the request as JSON everywhere else. */
const page =
  (html: string, headers: Record<string, string> = {}): Handler =>
  (request, body, response) => {
    if (request.url !== '/page') return echo(request, body, response);
    response.writeHead(200, { 'content-type': 'text/html', ...headers }).end(html);
  };

beforeAll(async () => {
  server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    answer(request, Buffer.concat(chunks).toString('utf8'), response);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  port = (server.address() as AddressInfo).port;
});
afterAll(() => {
  server.close();
  server.closeAllConnections();
});
beforeEach(() => {
  browser = new HttpBrowser();
  answer = echo;
});

async function receiveCookies(...cookies: string[]): Promise<void> {
  answer = (_request, _body, response) => response.setHeader('set-cookie', cookies).end();
  await browser.open(at('/'));
  answer = echo;
}
const cookiesSentTo = async (url: string) => (JSON.parse((await browser.open(url)).text) as { cookie: string }).cookie;

describe('HttpBrowser: cookies', () => {
  test('stores cookies by host and path, replaces and expires them', async () => {
    await receiveCookies('a=1; Path=/', 'b=2; Path=/in', 'c=3; Max-Age=0', 'd=4; Expires=Thu, 01 Jan 1970 00:00:00 GMT');
    expect(await cookiesSentTo(at('/'))).toBe('a=1');
    expect(await cookiesSentTo(at('/in/side'))).toBe('a=1; b=2');
    expect(await cookiesSentTo(at('/inside'))).toBe('a=1');
    expect(await cookiesSentTo(at('/', '127.0.0.1'))).toBe('');
    await receiveCookies('a=x=y; Path=/');
    expect(await cookiesSentTo(at('/'))).toBe('a=x=y');
    await receiveCookies('a=; Max-Age=0; Path=/');
    expect(await cookiesSentTo(at('/'))).toBe('');
  });

  test('sends no Secure cookies over http, and enforces the rules of __Host-', async () => {
    await receiveCookies('a=1; Secure');
    expect(browser.cookie('a')).toMatchObject({ secure: true, httpOnly: false, sameSite: 'lax' });
    expect(await cookiesSentTo(at('/'))).toBe('');
    await expect(receiveCookies('__Host-a=1; Path=/')).rejects.toThrow('No browser accepts');
  });

  test.each([
    ['127.0.0.1', 'post', 'n=1', 'cross-site'],
    ['127.0.0.1', 'get', 'n=1; l=1; i=1', 'cross-site'],
    ['localhost', 'post', 'n=1; l=1; s=1; i=1', 'same-origin'],
  ])('a form on %s with the method %s sends %s', async (host, method, cookie, site) => {
    await receiveCookies('n=1; SameSite=None', 'l=1; SameSite=Lax', 's=1; SameSite=Strict', 'i=1');
    answer = page(`<form method="${method}" action="${at('/to')}"></form>`);
    const { text } = await browser.submit(await browser.open(at('/page', host)));
    expect(JSON.parse(text)).toMatchObject({ cookie, site });
  });

  test.each([
    ['no-referrer', 'localhost', 'null'],
    ['same-origin', '127.0.0.1', 'null'],
    ['strict-origin', '127.0.0.1', 'http://127.0.0.1:PORT'],
  ])('a page with Referrer-Policy %s on %s sends the origin %s', async (policy, host, origin) => {
    answer = page(`<form method="post" action="${at('/to')}"></form>`, { 'referrer-policy': policy });
    const { text } = await browser.submit(await browser.open(at('/page', host)));
    expect(JSON.parse(text)).toMatchObject({ origin: origin.replace('PORT', String(port)) });
  });
});

describe('HttpBrowser: redirects and links', () => {
  test.each([
    [303, 'GET', ''],
    [302, 'GET', ''],
    [307, 'POST', 'a=1'],
  ])('follows %i with %s', async (status, method, body) => {
    answer = (request, sent, response) =>
      request.url === '/from' ? response.writeHead(status, { location: '/to' }).end() : echo(request, sent, response);
    const end = await browser.open(at('/from'), { method: 'POST', body: new URLSearchParams({ a: '1' }) });
    expect(JSON.parse(end.text)).toMatchObject({ method, url: '/to', body });
    expect(browser.history.map(({ status }) => status)).toEqual([status, 200]);
  });

  test('rejects redirect loops and other machines', async () => {
    answer = (_request, _body, response) => response.writeHead(302, { location: '/' }).end();
    await expect(browser.open(at('/'))).rejects.toThrow('redirects in a loop');
    await expect(browser.open('http://example.com/')).rejects.toThrow('not on this machine');
  });

  test('finds a link by its text', async () => {
    answer = page('<!-- <a href="/not">To it</a> --><a class="x" href="to?a=1&amp;b=2"><b>To</b>\n it</a>');
    const { text } = await browser.follow(await browser.open(at('/page')), 'To it');
    expect(JSON.parse(text)).toMatchObject({ url: '/to?a=1&b=2', site: 'same-origin' });
  });
});

describe('HttpBrowser: forms', () => {
  const FORM = `<form method="post" action="/to">
    <input type="hidden" name="h" value="&quot;&lt;&#39;&#x3e;&amp;"><input name=t value='x > y'><input name="off" value="1" disabled>
    <input type="checkbox" name="c"><input type="checkbox" name="d" value="2" checked><input type="radio" name="r" value="a" checked><input type="radio" name="r" value="b">
    <select name="s"><option value="1">one</option><option selected>two</option></select><textarea name="area">a &amp; b</textarea>
    <button name="go" value="left">Left</button><button name="go" value="right">Right</button></form>`;
  const sent = async (values: FormValues) => {
    answer = page(FORM);
    const { body } = JSON.parse((await browser.submit(await browser.open(at('/page')), values)).text) as { body: string };
    return Object.fromEntries(new URLSearchParams(body));
  };
  const UNTOUCHED = { h: '"<\'>&', t: 'x > y', d: '2', r: 'a', s: 'two', area: 'a & b' };

  test('submits the values of the page, the values filled in, and the pressed button', async () => {
    expect(await sent({})).toEqual(UNTOUCHED);
    expect(await sent({ go: 'right', t: 'typed', c: 'on', h: 'forged' })).toEqual({
      ...UNTOUCHED,
      go: 'right',
      t: 'typed',
      c: 'on',
      h: 'forged',
    });
  });

  test('rejects a field, button or form that the page does not have', async () => {
    await expect(sent({ go: 'up' })).rejects.toThrow('has no choice go=up');
    await expect(sent({ off: '1' })).rejects.toThrow('has no form with off');
    answer = page('<form action="/one"><input name="q"></form><form method="post" action="/two"><input name="q"></form>');
    const two = await browser.open(at('/page'));
    expect(JSON.parse((await browser.submit(two, { q: 'ä' })).text)).toMatchObject({ method: 'GET', url: '/one?q=%C3%A4' });
    expect(JSON.parse((await browser.submit(two, { q: 'x' }, '/two')).text)).toMatchObject({ method: 'POST', body: 'q=x' });
    await expect(browser.submit(two, {}, '/three')).rejects.toThrow('has no form with anything to /three');
  });

  test('submits files as multipart', async () => {
    answer = page(
      '<form method="post" action="/to" enctype="multipart/form-data"><input type="file" name="f"><input name="t" value="1"></form>',
    );
    const { text } = await browser.submit(await browser.open(at('/page')), { f: new File(['content'], 'a.xml') });
    expect(text).toMatch(/name=\\"f\\"; filename=\\"a\.xml\\".*content.*name=\\"t\\"/);
  });

  test('reads the error code of a page or of problem details', async () => {
    answer = page('<p>Code <code>saml_expired</code>, request <code>x</code></p>');
    expect((await browser.open(at('/page'))).code).toBe('saml_expired');
    answer = (_request, _body, response) =>
      response.writeHead(403, { 'content-type': 'application/problem+json' }).end('{"code":"forbidden"}');
    expect((await browser.open(at('/page'))).code).toBe('forbidden');
  });
});

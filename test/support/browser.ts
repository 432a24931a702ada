/**
 * A browser for sign-in tests: cookies with their rules, redirects, links and forms, over plain HTTP to this machine. It runs no
 * scripts, so tests submit the forms that a script would submit.
 */
import { type Form, readForms, readLinks } from './html.ts';

/** One response. */
export interface Page {
  readonly method: string;
  readonly url: string;
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly forms: readonly Form[];
  /** Error code of an error page or of problem+json. */
  readonly code: string | undefined;
  /** Absolute URL of a redirect. */
  readonly location: string | undefined;
}

export interface Cookie {
  readonly name: string;
  readonly value: string;
  readonly host: string;
  readonly path: string;
  readonly secure: boolean;
  readonly httpOnly: boolean;
  /** `lax` if the server sets none, as in browsers. */
  readonly sameSite: string;
}

export interface RequestOptions {
  readonly method?: string;
  readonly body?: URLSearchParams | FormData | string;
  readonly headers?: Readonly<Record<string, string>>;
  /** The page that the request comes from. Undefined for an address that the user entered. */
  readonly from?: Page | undefined;
}

/** Values of a form by field name. A pressed button is a field too. */
export type FormValues = Readonly<Record<string, string | File>>;

const MAX_REDIRECTS = 20;
const TIMEOUT_MS = 20_000;

export class HttpBrowser {
  /** All responses, including redirects, oldest first. */
  readonly history: Page[] = [];
  #cookies: readonly Cookie[] = [];

  get cookies(): readonly Cookie[] {
    return this.#cookies;
  }

  cookie(name: string): Cookie | undefined {
    return this.#cookies.find((cookie) => cookie.name === name);
  }

  /** Sets a cookie, as an attacker on the same host could. */
  setCookie(url: string, name: string, value: string): void {
    this.#storeCookie({ name, value, host: new URL(url).hostname, path: '/', secure: false, httpOnly: true, sameSite: 'lax' });
  }

  clearCookies(): void {
    this.#cookies = [];
  }

  /** Opens a URL and follows redirects. */
  async open(url: string, options: RequestOptions = {}): Promise<Page> {
    let page = await this.request(url, options);
    for (let i = 0; page.location !== undefined; i++) {
      if (i === MAX_REDIRECTS) throw new Error(`${url} redirects in a loop, last to ${page.location}`);
      const keepsMethod = page.status === 307 || page.status === 308;
      const { from } = options;
      page = await this.request(page.location, keepsMethod ? options : { from });
    }
    return page;
  }

  /**
   * Fills in a form, submits it and follows redirects. Other fields keep the values of the page.
   * @param action part of the form's action. Default: the first form that has all the fields
   */
  async submit(page: Page, values: FormValues = {}, action = ''): Promise<Page> {
    const names = Object.keys(values);
    const form = page.forms.find((each) => each.action.includes(action) && names.every((name) => each.fields.some((f) => f.name === name)));
    if (!form) throw new Error(`${page.url} has no form with ${names.join(', ') || 'anything'} to ${action || 'anywhere'}:\n${page.text}`);
    const entries = entriesOf(form, values);
    if (form.method === 'GET') {
      const url = new URL(form.action);
      url.search = new URLSearchParams(entries.map(([name, value]) => [name, String(value)])).toString();
      return this.open(url.href, { from: page });
    }
    return this.open(form.action, { method: 'POST', body: encode(form, entries), from: page });
  }

  /** Clicks the link with this text. */
  follow(page: Page, text: string): Promise<Page> {
    const link = readLinks(page.text, page.url).find((each) => each.text === text);
    if (!link) throw new Error(`${page.url} has no link “${text}”:\n${page.text}`);
    return this.open(link.href, { from: page });
  }

  /** Sends one request without following redirects. */
  async request(href: string, options: RequestOptions = {}): Promise<Page> {
    const url = new URL(href);
    if (!/^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(url.hostname)) throw new Error(`${href} is not on this machine`);
    const { method = 'GET', body = null } = options;
    const response = await fetch(url, {
      method,
      body,
      headers: { ...navigationHeaders(url, method, options.from), ...this.#cookieHeader(url, method, options.from), ...options.headers },
      redirect: 'manual',
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    for (const line of response.headers.getSetCookie()) this.#storeCookie(readCookie(line, url));
    const page = await readPage(method, url, response);
    this.history.push(page);
    return page;
  }

  #storeCookie(cookie: Cookie & { readonly isExpired?: boolean }): void {
    const { isExpired = false, ...stored } = cookie;
    const others = this.#cookies.filter(({ name, host, path }) => name !== stored.name || host !== stored.host || path !== stored.path);
    this.#cookies = isExpired ? others : [...others, stored];
  }

  #cookieHeader(url: URL, method: string, from: Page | undefined): Record<string, string> {
    const matching = this.#cookies.filter((cookie) => {
      const pathMatches = url.pathname === cookie.path || url.pathname.startsWith(cookie.path.replace(/\/?$/, '/'));
      return (
        cookie.host === url.hostname && pathMatches && (!cookie.secure || url.protocol === 'https:') && isSent(cookie, url, method, from)
      );
    });
    return matching.length === 0 ? {} : { cookie: matching.map(({ name, value }) => `${name}=${value}`).join('; ') };
  }
}

/** Applies SameSite: a Lax cookie is not sent with a POST from another site. A different port is the same site. */
function isSent({ sameSite }: Cookie, url: URL, method: string, from: Page | undefined): boolean {
  if (sameSite === 'none' || from === undefined || isSameSite(url, new URL(from.url))) return true;
  return sameSite === 'lax' && method === 'GET';
}

const isSameSite = (a: URL, b: URL): boolean => a.protocol === b.protocol && a.hostname === b.hostname;

/** Returns the headers that browsers add. The Referrer-Policy of a page also applies to Origin. */
function navigationHeaders(url: URL, method: string, from: Page | undefined): Record<string, string> {
  const accept = { accept: 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8' };
  if (from === undefined) return { ...accept, 'sec-fetch-site': 'none' };
  const source = new URL(from.url);
  const site = source.origin === url.origin ? 'same-origin' : isSameSite(source, url) ? 'same-site' : 'cross-site';
  const policy = from.headers.get('referrer-policy');
  const hidden = policy === 'no-referrer' || (policy === 'same-origin' && site !== 'same-origin');
  return { ...accept, 'sec-fetch-site': site, ...(method === 'GET' ? {} : { origin: hidden ? 'null' : source.origin }) };
}

function readCookie(line: string, url: URL): Cookie & { readonly isExpired: boolean } {
  const [pair = '', ...rest] = line.split(';').map((part) => part.trim());
  const attributes = new Map(rest.map((part) => [part.split('=')[0]?.toLowerCase(), part.slice(part.indexOf('=') + 1)]));
  const name = pair.slice(0, pair.indexOf('='));
  const path = attributes.get('path') ?? '/';
  const secure = attributes.has('secure');
  if (name.startsWith('__Host-') && (!secure || path !== '/' || attributes.has('domain'))) throw new Error(`No browser accepts: ${line}`);
  const maxAge = attributes.get('max-age');
  const expires = attributes.get('expires');
  return {
    name,
    value: pair.slice(pair.indexOf('=') + 1),
    host: url.hostname,
    path,
    secure,
    httpOnly: attributes.has('httponly'),
    sameSite: attributes.get('samesite')?.toLowerCase() ?? 'lax',
    isExpired: maxAge === undefined ? expires !== undefined && Date.parse(expires) <= Date.now() : Number(maxAge) <= 0,
  };
}

async function readPage(method: string, url: URL, response: Response): Promise<Page> {
  const text = await response.text();
  const { status, headers } = response;
  const type = headers.get('content-type') ?? '';
  const location = status >= 300 && status < 400 ? headers.get('location') : null;
  return {
    method,
    url: url.href,
    status,
    headers,
    text,
    forms: type.startsWith('text/html') ? readForms(text, url.href) : [],
    code: type.includes('json') ? (JSON.parse(text) as { code?: string }).code : /Code <code>(\w+)<\/code>/.exec(text)?.[1],
    location: location === null ? undefined : new URL(location, url).href,
  };
}

/** Returns the fields to send. Buttons are sent only if pressed, check boxes only if selected. */
function entriesOf({ fields }: Form, values: FormValues): [string, string | File][] {
  const unused = new Set(Object.keys(values));
  const entries: [string, string | File][] = [];
  for (const { name, type, value, isSent } of fields) {
    const given = values[name];
    if (given === undefined) {
      if (isSent) entries.push([name, value]);
      continue;
    }
    const isChoice = type === 'submit' || type === 'radio' || type === 'checkbox';
    if ((isChoice && given !== value) || !unused.delete(name)) continue;
    entries.push([name, given]);
  }
  if (unused.size > 0) throw new Error(`The form has no choice ${[...unused].map((name) => `${name}=${values[name]}`).join(', ')}`);
  return entries;
}

function encode(form: Form, entries: readonly (readonly [string, string | File])[]): URLSearchParams | FormData {
  if (form.encoding !== 'multipart/form-data') return new URLSearchParams(entries.map(([name, value]) => [name, String(value)]));
  const data = new FormData();
  for (const [name, value] of entries) data.append(name, value);
  return data;
}

/**
 * Starts a sign-in (at the gateway's `/saml/SLUG/login` or the mock identity provider's `/HABIT/start`) and returns the page whose
 * form contains the response for `person`. The caller submits it.
 */
export async function askForResponse(browser: HttpBrowser, start: string, person: string): Promise<Page> {
  let page = await browser.open(start);
  if (page.forms.some(({ fields }) => fields.some(({ name }) => name === 'SAMLRequest'))) page = await browser.submit(page);
  return browser.submit(page, { person });
}

export interface SignedIn {
  /** Response of the assertion consumer service. */
  readonly answer: Page;
  /** Page after its redirects. */
  readonly page: Page;
}

/** Signs in a person of the mock identity provider. */
export async function signIn(browser: HttpBrowser, start: string, person: string): Promise<SignedIn> {
  const responsePage = await askForResponse(browser, start, person);
  const before = browser.history.length;
  const page = await browser.submit(responsePage);
  const answer = browser.history[before];
  if (!answer || !/\/saml\/[^/]+\/acs$/.test(answer.url)) throw new Error(`The response went to ${answer?.url ?? 'nowhere'}`);
  return { answer, page };
}

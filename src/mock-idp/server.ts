/** A local HTTP server with the mock identity provider, for development and tests only. */
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import express, { type ErrorRequestHandler, type Express, type Request, type RequestHandler, type Response } from 'express';
import { ASSETS, picoStyleSheet } from '../files.ts';
import { createSelfSignedCertificate, type KeyAndCertificate } from '../saml/metadata/self-signed-certificate.ts';
import { NAME_ID_EMAIL, NAME_ID_PERSISTENT, NAME_ID_UNSPECIFIED } from '../saml/names.ts';
import { decodeSamlRequest, readAuthnRequest } from './authn-request.ts';
import type { Encryption } from './encryption.ts';
import { findHabit, HABIT_NAMES, HABITS, type Habit, type HabitName } from './habits.ts';
import { makeMetadata } from './metadata.ts';
import { frontPage, type KnownOrganization, type PendingSignIn, peoplePage, postPage, refusalPage, SCRIPT, STYLE } from './pages.tsx';
import { provisioningRoutes } from './provisioning/routes.ts';
import { MockIdpRefusal } from './refusal.ts';
import { makeResponse } from './response.ts';

export type MockIdpKeys = Readonly<Record<HabitName, KeyAndCertificate>>;

export interface MockIdpOptions {
  /** Base URL of the only gateway that gets responses. It must be http. */
  readonly gatewayBaseUrl: string;
  /** 0 selects a free port. */
  readonly port: number;
  /** Address to listen on. Default: the loopback address, with the same host name as the gateway. */
  readonly host?: string;
  /** Current time in milliseconds since 1970. Default: `Date.now`. */
  readonly nowMs?: () => number;
  /** Signing keys. Default: new keys at each start. */
  readonly keys?: Partial<MockIdpKeys>;
  readonly randomBytes?: (size: number) => Uint8Array;
  /** Returns how to encrypt assertions for a service provider, or undefined to send them unencrypted, which is the default. */
  readonly encryptionFor?: (spEntityId: string) => Encryption | undefined;
  /** Organizations of the gateway that use these identity providers. The front page links to their sign-in. */
  readonly organizations?: readonly KnownOrganization[];
  /** SCIM tokens of the gateway by the slug of their organization. The demo adds them once the organizations exist. */
  readonly scimTokens?: ReadonlyMap<string, string>;
}

/** The gateway must not use a mock identity provider. */
export class UnsafeGatewayError extends Error {}

export interface MockIdp {
  /** Base URL without a trailing slash. */
  readonly url: string;
  metadataUrl(habit: HabitName): string;
  close(): Promise<void>;
}

/**
 * Starts the mock identity provider.
 *
 * @example
 * const idp = await startMockIdp({ gatewayBaseUrl: 'http://localhost:8080', port: 0 });
 * await fetch(idp.metadataUrl('okta'));
 * await idp.close();
 * @throws UnsafeGatewayError for an https gateway, because a gateway in production must never trust an identity provider without passwords
 */
export async function startMockIdp(options: MockIdpOptions): Promise<MockIdp> {
  const gatewayBaseUrl = checkedGateway(options.gatewayBaseUrl);
  const keys = await makeKeys(options);
  const server = createServer();
  const url = await listen(server, options);
  const { nowMs = Date.now } = options;
  const { organizations = [], encryptionFor = () => undefined, scimTokens = new Map() } = options;
  const random = options.randomBytes ?? randomBytes;
  const formToken = Buffer.from(random(16)).toString('base64url');
  const parts = { url, gatewayBaseUrl, keys, nowMs, randomBytes: random, encryptionFor, organizations, scimTokens, formToken };
  server.on('request', mockIdpApp(parts));
  return {
    url,
    metadataUrl: (habit) => metadataUrl(url, habit),
    close: () => close(server),
  };
}

function checkedGateway(gatewayBaseUrl: string): string {
  if (!URL.canParse(gatewayBaseUrl)) throw new UnsafeGatewayError(`The gateway’s base URL is not a URL: ${gatewayBaseUrl}`);
  const { protocol, origin, pathname } = new URL(gatewayBaseUrl);
  if (protocol === 'http:') return origin + pathname.replace(/\/$/, '');
  throw new UnsafeGatewayError(
    `The mock identity provider is for development only and does not start for ${gatewayBaseUrl}, because it signs in anyone without a password. Use a gateway with an http base URL, such as http://localhost:8080.`,
  );
}

async function makeKeys({ keys, nowMs = Date.now }: MockIdpOptions): Promise<MockIdpKeys> {
  const make = async (habit: HabitName) =>
    keys?.[habit] ??
    createSelfSignedCertificate({ commonName: `samlgate mock ${habit}, development only`, days: 365, nowMs: nowMs(), rsaBits: 2048 });
  const [okta, entraId, google] = await Promise.all([make('okta'), make('entra-id'), make('google-workspace')]);
  return { okta, 'entra-id': entraId, 'google-workspace': google };
}

function listen(server: Server, { port, host, gatewayBaseUrl }: MockIdpOptions): Promise<string> {
  const name = host === undefined ? loopbackName(gatewayBaseUrl) : host.includes(':') ? `[${host}]` : host;
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host ?? '127.0.0.1', () => resolve(`http://${name}:${(server.address() as AddressInfo).port}`));
  });
}

/** Browsers treat `localhost` and `127.0.0.1` as two sites and send no Lax cookies with a form that one posts to the other. */
function loopbackName(gatewayBaseUrl: string): string {
  const { hostname } = new URL(gatewayBaseUrl);
  return hostname === 'localhost' ? hostname : '127.0.0.1';
}

function close(server: Server): Promise<void> {
  return new Promise((resolve, reject) => {
    server.close((error) => (error === undefined ? resolve() : reject(error)));
    server.closeAllConnections();
  });
}

interface MockIdpParts {
  readonly url: string;
  readonly gatewayBaseUrl: string;
  readonly keys: MockIdpKeys;
  readonly nowMs: () => number;
  readonly randomBytes: (size: number) => Uint8Array;
  readonly encryptionFor: (spEntityId: string) => Encryption | undefined;
  readonly organizations: readonly KnownOrganization[];
  readonly scimTokens: ReadonlyMap<string, string>;
  readonly formToken: string;
}

const metadataUrl = (url: string, habit: HabitName) => `${url}/${habit}/metadata`;

function mockIdpApp(parts: MockIdpParts): Express {
  const app = express();
  app.disable('x-powered-by');
  app.use(securityHeaders, express.urlencoded({ extended: false, limit: '256kb' }));
  app.get('/', (_request, response) => {
    const url = (habit: HabitName) => metadataUrl(parts.url, habit);
    const provisioned = new Set(parts.scimTokens.keys());
    response.send(frontPage(Object.values(HABITS), { ...parts, metadataUrl: url, provisioned }));
  });
  app.get('/mock-idp.js', (_request, response) => void response.type('text/javascript').send(SCRIPT));
  app.get('/mock-idp.css', async (_request, response) => void response.type('text/css').send(await readStyle()));
  app.use('/assets', express.static(ASSETS, { index: false, redirect: false }));
  app.get('/:habit/metadata', (request, response) => sendMetadata(habitOf(request), parts, response));
  app.get('/:habit/sso', (request, response) => showPeople(request, response, requestedSignIn(request.query, 'redirect', parts)));
  app.post('/:habit/sso', (request, response) => showPeople(request, response, requestedSignIn(request.body, 'post', parts)));
  app.get('/:habit/start', (request, response) => showPeople(request, response, startedSignIn(request.query, parts)));
  app.post('/:habit/answer', (request, response) => sendResponse(request, response, parts));
  app.use(provisioningRoutes(parts));
  app.use((_request, response) => void response.status(404).send(refusalPage('Not found', 'There is no page at this address.')));
  app.use(refuse);
  return app;
}

/** The pages look like those of the console. */
const readStyle = async (): Promise<string> =>
  [await readFile(picoStyleSheet(), 'utf8'), await readFile(path.join(ASSETS, 'style.css'), 'utf8'), STYLE].join('\n');

const securityHeaders: RequestHandler = (_request, response, next) => {
  // No form-action, because it would also apply to the redirects of the gateway after the response.
  response.set({
    'Content-Security-Policy':
      "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'",
    'X-Content-Type-Options': 'nosniff',
    'Referrer-Policy': 'no-referrer',
    'Cache-Control': 'no-store',
  });
  next();
};

function habitOf(request: Request): Habit {
  const habit = findHabit(String(request.params.habit));
  if (habit === undefined) throw unknownHabit();
  return habit;
}

const unknownHabit = () =>
  new MockIdpRefusal(`There is no identity provider of this name. Known names: ${HABIT_NAMES.join(', ')}.`, { status: 404 });

function sendMetadata({ name }: Habit, { url, keys, randomBytes }: MockIdpParts, response: Response): void {
  const key = keys[name];
  const metadata = makeMetadata(name, {
    ssoUrl: `${url}/${name}/sso`,
    certificatesPem: [key.certificatePem],
    documentKey: key,
    randomBytes,
  });
  response.type('application/samlmetadata+xml').send(metadata);
}

function showPeople(request: Request, response: Response, pending: PendingSignIn): void {
  response.send(peoplePage(habitOf(request), pending));
}

/** Reads a sign-in that a service provider requested. */
function requestedSignIn(source: unknown, binding: 'redirect' | 'post', parts: MockIdpParts): PendingSignIn {
  const parameter = field(source, 'SAMLRequest');
  if (parameter === undefined) throw new MockIdpRefusal('The SAMLRequest parameter is missing.');
  const { id, issuer, acsUrl, nameIdFormat } = readAuthnRequest(decodeSamlRequest(parameter, binding));
  return {
    // A real identity provider reads the ACS URL from its settings. Here it is derived from the entity ID.
    acsUrl: checkedAcsUrl(acsUrl ?? issuer.replace(/\/metadata$/, '/acs'), parts),
    spEntityId: issuer,
    inResponseTo: id,
    nameIdFormat,
    relayState: field(source, 'RelayState'),
  };
}

/** Reads a sign-in that starts here, from `?sp=…&acs=…` or the slug of an organization of the gateway. */
function startedSignIn(source: unknown, parts: MockIdpParts): PendingSignIn {
  const slug = field(source, 'organization');
  const base = slug === undefined ? undefined : `${parts.gatewayBaseUrl}/saml/${encodeURIComponent(slug)}`;
  const spEntityId = field(source, 'sp') ?? (base && `${base}/metadata`);
  const acsUrl = field(source, 'acs') ?? (base && `${base}/acs`);
  if (spEntityId === undefined || acsUrl === undefined)
    throw new MockIdpRefusal('The parameters sp and acs, or organization, are required.');
  return {
    acsUrl: checkedAcsUrl(acsUrl, parts),
    spEntityId,
    inResponseTo: undefined,
    nameIdFormat: undefined,
    relayState: field(source, 'RelayState'),
  };
}

/** Creates the response for the chosen person and sends the page that posts it. The fields come from the browser, so they are checked again. */
function sendResponse(request: Request, response: Response, parts: MockIdpParts): void {
  const habit = habitOf(request);
  const chosen = field(request.body, 'person');
  const person = habit.people.find(({ key }) => key === chosen);
  const acs = field(request.body, 'acs');
  const spEntityId = field(request.body, 'sp');
  if (person === undefined) throw new MockIdpRefusal(`${habit.label} has no user of this name.`);
  if (acs === undefined || spEntityId === undefined) throw new MockIdpRefusal('The fields acs and sp are required.');
  const acsUrl = checkedAcsUrl(acs, parts);
  const xml = makeResponse({
    habit: habit.name,
    person,
    acsUrl,
    spEntityId,
    inResponseTo: field(request.body, 'InResponseTo'),
    nameIdFormat: supportedFormat(field(request.body, 'NameIDFormat')),
    key: parts.keys[habit.name],
    nowMs: parts.nowMs(),
    randomBytes: parts.randomBytes,
    encryption: parts.encryptionFor(spEntityId),
  });
  response.send(postPage(habit, acsUrl, Buffer.from(xml).toString('base64'), field(request.body, 'RelayState')));
}

const FORMATS: readonly (string | undefined)[] = [NAME_ID_EMAIL, NAME_ID_PERSISTENT, NAME_ID_UNSPECIFIED];

/** For other formats the products behave differently, so the mock sends its default. */
function supportedFormat(format: string | undefined): string | undefined {
  return FORMATS.includes(format) ? format : undefined;
}

/** Checks that the response goes to the gateway: other sites must not be able to get a signed response from this server. */
function checkedAcsUrl(acsUrl: string, { gatewayBaseUrl }: MockIdpParts): string {
  if (URL.canParse(acsUrl) && new URL(acsUrl).href.startsWith(`${gatewayBaseUrl}/`)) return acsUrl;
  throw new MockIdpRefusal(`The mock identity provider posts only to the gateway at ${gatewayBaseUrl}, not to: ${acsUrl}`);
}

/** Returns a text field of a query or a form. A repeated field counts as missing. */
function field(source: unknown, name: string): string | undefined {
  const value = typeof source === 'object' && source !== null ? Object.entries(source).find(([key]) => key === name)?.[1] : undefined;
  return typeof value === 'string' ? value : undefined;
}

const refuse: ErrorRequestHandler = (error, _request, response, _next) => {
  const status = clientStatus(error);
  const message = error instanceof Error && status < 500 ? error.message : 'Something went wrong in the mock identity provider.';
  response.status(status).send(refusalPage(status < 500 ? 'Invalid request' : 'Internal error', message));
};

/** Returns the status of a client error, which refusals, Express and its body parser set; otherwise 500. */
function clientStatus(error: unknown): number {
  const status = typeof error === 'object' && error !== null && 'status' in error ? error.status : undefined;
  return typeof status === 'number' && status >= 400 && status < 500 ? status : 500;
}

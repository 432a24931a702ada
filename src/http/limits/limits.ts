/** The table of rate limits. */

export interface Limit {
  readonly points: number;
  readonly seconds: number;
  /** What counts as one group of requests. */
  readonly per: 'address' | 'organization' | 'connection' | 'request' | 'response';
  /** What is counted, for the documentation. */
  readonly counts: string;
}

/** Each limit is far above what users and programs need, and far below what harms the gateway. */
export const LIMITS = {
  // The slowest responses to examine cost 20 to 40 ms of CPU.
  refusals_by_address: {
    points: 300,
    seconds: 60,
    per: 'address',
    counts: 'SAML responses without a valid signature, including oversized ones. A failed decryption counts as ten.',
  },
  refusals_by_organization: {
    points: 1200,
    seconds: 60,
    per: 'organization',
    counts: 'The same. Above either limit, the gateway reads only responses from browsers that started a sign-in here.',
  },
  // Separate from the limits above, so that an attacker cannot multiply those by starting sign-ins.
  attempts_by_address: {
    points: 60,
    seconds: 60,
    per: 'address',
    counts: 'Refused responses to started sign-ins that were examined although one of the limits above was exceeded.',
  },
  tries_of_request: {
    points: 2,
    seconds: 1800,
    per: 'request',
    counts: 'Responses to one started sign-in above those limits: the first one and one retry.',
  },
  // Far above reloads and double clicks. A new response needs the identity provider each time, so its number is not limited.
  copies_of_response: {
    points: 10,
    seconds: 600,
    per: 'response',
    counts:
      'Copies of a response with a valid signature that signed no user in. More are refused without being examined. If their unsigned parts differ, they are examined and count like responses without a valid signature.',
  },
  genuine_refusals: {
    points: 300,
    seconds: 60,
    per: 'organization',
    counts: 'Refused responses with a valid signature. More are refused as well, but no longer recorded.',
  },
  unsolicited_fetches: {
    points: 5,
    seconds: 300,
    per: 'address',
    counts: 'Unsolicited responses with an unknown key, for which metadata is fetched.',
  },
  login_start: { points: 300, seconds: 60, per: 'address', counts: 'Started sign-ins and tests. An accepted sign-in returns its point.' },
  sp_metadata: { points: 300, seconds: 60, per: 'address', counts: 'Downloads of service provider metadata.' },
  // Each page shows one logo, and browsers cache it.
  logo: { points: 300, seconds: 60, per: 'address', counts: 'Downloads of logos of organizations.' },
  // Each change adds an entry to the audit trail, and the oldest entries are deleted. Removals need a logo, so that this also limits them.
  logo_changes: {
    points: 30,
    seconds: 3600,
    per: 'organization',
    counts: 'Logos that owners or the operator set. The logo can be removed even above the limit.',
  },
  // Not by organization: no flood against an organization may keep its sessions from being ended.
  logout: { points: 300, seconds: 60, per: 'address', counts: 'Single logout messages.' },
  login_page: {
    points: 300,
    seconds: 60,
    per: 'address',
    counts: 'Views of the start page and the sign-in page. An accepted sign-in that was started here returns a point.',
  },
  // As many as views of the page. Not returned, see `response-limits.ts`.
  login_form: { points: 300, seconds: 60, per: 'address', counts: 'Look-ups of an organization on the sign-in page.' },
  device_start: { points: 60, seconds: 60, per: 'address', counts: 'Started sign-ins of the command line.' },
  // Guesses of another user's device code, which has eight letters and lives for ten minutes.
  device_code: { points: 60, seconds: 300, per: 'address', counts: 'Entered device codes.' },
  wrong_tokens: {
    points: 300,
    seconds: 60,
    per: 'address',
    counts: 'Bearer tokens and setup links that are invalid, expired or revoked.',
  },
  token_requests: { points: 600, seconds: 60, per: 'address', counts: 'Refused requests to the token endpoint.' },
  wrong_operator_tokens: {
    points: 10,
    seconds: 300,
    per: 'address',
    counts: 'Failed sign-ins of the operator in the console. Wrong operator tokens in the API count as `wrong_tokens`.',
  },
  // An initial cycle of Entra ID sends 25 requests a second. No token can use up the requests of another connection.
  scim: { points: 6000, seconds: 60, per: 'connection', counts: 'Requests with a valid SCIM token.' },
  // Each change adds an entry to the audit trail, and the oldest entries are deleted.
  scim_changes: {
    points: 100_000,
    seconds: 86_400,
    per: 'connection',
    counts: 'Of these, requests that can change users or groups. Every ten group members that a request affects count as one.',
  },
  domain_check: { points: 100, seconds: 600, per: 'organization', counts: 'Look-ups in DNS to verify domains.' },
} as const satisfies Record<string, Limit>;

export type LimitName = keyof typeof LIMITS;

/** A larger IPv6 network (/48) may use this many times the points of one address. */
export const NETWORK_FACTOR = 10;

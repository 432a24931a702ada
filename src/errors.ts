/**
 * The one table of refusals. Everything that samlgate refuses is a {@link GatewayError} with a code from here; one exit
 * (`http/error-exit.tsx`) turns it into problem+json or a page. Codes are part of the public interface.
 */

/** Who can do something about a refusal; decides the advice on the error page. */
export type Fixer = 'person' | 'owner' | 'idp-administrator' | 'operator';

interface ErrorRow {
  readonly status: number;
  readonly title: string;
  /** What to do next, in words for the person who sees the page. */
  readonly advice: string;
  readonly fixer: Fixer;
}

const row = (status: number, title: string, fixer: Fixer, advice: string): ErrorRow => ({ status, title, fixer, advice });

export const ERRORS = {
  saml_malformed: row(
    400,
    'The sign-in message can’t be read',
    'idp-administrator',
    'Try to sign in again. If it happens every time, the identity provider sends something that is not a SAML 2.0 response.',
  ),
  saml_dtd_forbidden: row(
    400,
    'The sign-in message contains a document type declaration',
    'idp-administrator',
    'SAML messages never need one. Ask the identity provider’s administrator what is between it and the gateway.',
  ),
  saml_signature_missing: row(
    400,
    'The sign-in message is not signed',
    'idp-administrator',
    'Turn on signing of the assertion (or of the response) for this application at the identity provider.',
  ),
  saml_signature_invalid: row(
    400,
    'The signature on the sign-in message is not good',
    'owner',
    'Most often the identity provider has a new certificate. An owner uploads its current metadata.',
  ),
  saml_algorithm_forbidden: row(
    400,
    'The sign-in message uses an algorithm that is not allowed',
    'idp-administrator',
    'Choose RSA-SHA256 or stronger for this application at the identity provider; SHA-1 is refused.',
  ),
  saml_structure_ambiguous: row(
    400,
    'The sign-in message can be read in more than one way',
    'idp-administrator',
    'Messages like this are made by attacks on single sign-on. If it happens at every sign-in, the identity provider or something in between changes the message.',
  ),
  saml_issuer_unknown: row(
    400,
    'The sign-in message comes from another identity provider',
    'owner',
    'The issuer must be the entity ID in the metadata that was uploaded for this organization. Compare the two.',
  ),
  saml_status_not_success: row(
    400,
    'The identity provider did not sign you in',
    'idp-administrator',
    'The reason is the identity provider’s own. Its administrator finds more in its log.',
  ),
  saml_destination_mismatch: row(
    400,
    'The sign-in message was meant for another address',
    'idp-administrator',
    'Set the ACS URL (Okta: Single sign-on URL; Entra ID: Reply URL; Google: ACS URL) exactly as shown here.',
  ),
  saml_recipient_mismatch: row(
    400,
    'The sign-in message was meant for another recipient',
    'idp-administrator',
    'Set the recipient (Okta: Recipient URL; Entra ID: Reply URL; Google: ACS URL) exactly as shown here.',
  ),
  saml_audience_mismatch: row(
    400,
    'The sign-in message was meant for another application',
    'idp-administrator',
    'Set the audience (Okta: Audience URI; Entra ID: Identifier; Google: Entity ID) exactly as shown here.',
  ),
  saml_expired: row(
    400,
    'The sign-in message has expired',
    'person',
    'Try to sign in again. If it happens every time, the clock of the gateway or of the identity provider is wrong.',
  ),
  saml_not_yet_valid: row(
    400,
    'The sign-in message is not valid yet',
    'operator',
    'The clocks of the gateway and of the identity provider differ. Check time synchronization on both.',
  ),
  saml_in_response_to_unknown: row(
    400,
    'This sign-in is not known here, or was used already',
    'person',
    'It may have waited too long, or the back button sent it again. Start to sign in once more.',
  ),
  saml_login_not_started_here: row(
    400,
    'This sign-in was started in another browser',
    'person',
    'Start to sign in again in this browser. If somebody sent you a link that led here, don’t go on.',
  ),
  saml_unsolicited_forbidden: row(
    403,
    'Sign-in must start at the gateway',
    'person',
    'This organization does not accept a sign-in that starts at the identity provider. Use the sign-in page of the gateway.',
  ),
  saml_replayed: row(
    400,
    'This sign-in message was used already',
    'person',
    'A sign-in message is good for one time. Start to sign in again.',
  ),
  saml_decryption_failed: row(
    400,
    'The sign-in message can’t be decrypted',
    'idp-administrator',
    'Give the identity provider the gateway’s current metadata, so that it encrypts for the current certificate with AES-GCM or AES-CBC and RSA-OAEP.',
  ),
  saml_name_id_missing: row(
    400,
    'The sign-in message does not say who you are in a lasting way',
    'idp-administrator',
    'Send a NameID that stays the same for the person (persistent or e-mail address, not transient).',
  ),
  saml_email_missing: row(
    400,
    'The sign-in message has no e-mail address',
    'idp-administrator',
    'Send the person’s e-mail address as an attribute (Okta, Google: email; Entra ID: user.mail), exactly one value.',
  ),
  saml_role_denied: row(
    403,
    'You are known, but have no role here',
    'idp-administrator',
    'Ask to be put into a group that has a role in this organization.',
  ),
  member_suspended: row(403, 'Your access is suspended', 'owner', 'An owner of your organization can lift the suspension.'),
  idp_metadata_invalid: row(
    400,
    'This is not usable metadata of an identity provider',
    'owner',
    'Download the metadata of the identity provider (not of the service provider) again and upload it unchanged.',
  ),
  idp_not_configured: row(
    404,
    'This organization has no identity provider yet',
    'owner',
    'An owner or the operator uploads the identity provider’s metadata first.',
  ),
  organization_unknown: row(404, 'There is no such organization', 'person', 'Check the address, or start from the sign-in page.'),
  unauthenticated: row(401, 'You are not signed in', 'person', 'Sign in and try again.'),
  forbidden: row(403, 'You may not do this', 'owner', 'An owner of your organization can do it, or make you an owner.'),
  not_found: row(404, 'There is nothing here', 'person', 'Check the address.'),
  conflict: row(409, 'This can’t be done in the present state', 'person', 'Read what stands in the way, change it, and try again.'),
  validation_failed: row(400, 'Something in the request is not right', 'person', 'Correct what is named and send it again.'),
  rate_limited: row(429, 'Too many attempts', 'person', 'Wait a moment and try again.'),
  payload_too_large: row(413, 'The message is too large', 'idp-administrator', 'Send less. For a sign-in message: send fewer groups.'),
  store_unavailable: row(
    503,
    'The gateway can’t reach its store',
    'operator',
    'Nothing was accepted and nothing was lost. Try again in a moment.',
  ),
  internal: row(500, 'Something went wrong in the gateway', 'operator', 'It is not your fault. Tell the operator the request id.'),
} as const satisfies Record<string, ErrorRow>;

export type ErrorCode = keyof typeof ERRORS;

/** What the OAuth endpoints call a refusal besides (RFC 6749 §5.2, RFC 8628 §3.5, RFC 8693 §2.2.2). */
export type OAuthErrorCode =
  | 'invalid_request'
  | 'invalid_client'
  | 'invalid_grant'
  | 'invalid_target'
  | 'unsupported_grant_type'
  | 'authorization_pending'
  | 'slow_down'
  | 'access_denied'
  | 'expired_token';

/** What may be told about a refusal besides its code. `detail` and `wanted`/`got` are public: no secret, no markup from input. */
export interface ErrorFacts {
  readonly detail?: string;
  /** What would have been right, and what was there; only where both are harmless to show. */
  readonly wanted?: string;
  readonly got?: string;
  /** For the log only. */
  readonly cause?: unknown;
  /** Seconds after which a retry makes sense (429, 503). */
  readonly retryAfterSeconds?: number;
  /** Only told by the OAuth endpoints. */
  readonly oauthError?: OAuthErrorCode;
}

/** A refusal. `message` is the code and its detail, so that a log line or a stack shows what matters. */
export class GatewayError extends Error {
  readonly code: ErrorCode;
  readonly facts: ErrorFacts;

  constructor(code: ErrorCode, facts: ErrorFacts | string = {}) {
    const given = typeof facts === 'string' ? { detail: facts } : facts;
    super(given.detail === undefined ? code : `${code}: ${given.detail}`, given.cause === undefined ? undefined : { cause: given.cause });
    this.name = 'GatewayError';
    this.code = code;
    this.facts = given;
  }

  get status(): number {
    return ERRORS[this.code].status;
  }
}

/** What a failure is called in a log: the code of a refusal; all else is a defect. */
export const codeOf = (error: unknown): ErrorCode => (error instanceof GatewayError ? error.code : 'internal');

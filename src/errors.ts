/**
 * The one table of errors. Everything that samlgate refuses is a {@link GatewayError} with a code from here, and one exit
 * (`http/error-exit.tsx`) turns it into problem+json or a page. Codes are part of the public interface.
 *
 * Each row has a text for the person who made the request and, if they would need other words, a text for the owners and
 * operators who read about it later (sign-in log, doctor, API). A user never reads advice for an administrator.
 */

/** The role that can resolve an error. */
export type Fixer = 'user' | 'owner' | 'idp-administrator' | 'operator';

/** `user` made the request; `administrator` reads about another user's request. */
export type Reader = 'user' | 'administrator';

export interface ErrorText {
  readonly title: string;
  /** What to do next. */
  readonly advice: string;
}

interface ErrorRow {
  readonly status: number;
  readonly fixer: Fixer;
  readonly user: ErrorText;
  readonly administrator: ErrorText;
}

function row(status: number, fixer: Fixer, user: ErrorText, administrator: Partial<ErrorText> = {}): ErrorRow {
  return { status, fixer, user, administrator: { ...user, ...administrator } };
}

const TRY_AGAIN_OR_ASK = 'Sign in again. If this keeps happening, contact your IT administrator.';
const ASK = 'Contact your IT administrator.';

export const ERRORS = {
  saml_malformed: row(
    400,
    'idp-administrator',
    { title: 'The SAML response could not be read', advice: TRY_AGAIN_OR_ASK },
    {
      advice:
        'The identity provider, or a system between it and the gateway, sent something other than a valid SAML 2.0 response. Check the application’s configuration at the identity provider.',
    },
  ),
  saml_dtd_forbidden: row(
    400,
    'idp-administrator',
    { title: 'The SAML response contains a document type declaration', advice: ASK },
    { advice: 'SAML never uses document type declarations. Find out which system between the identity provider and the gateway adds one.' },
  ),
  saml_signature_missing: row(
    400,
    'idp-administrator',
    { title: 'The SAML response is not signed', advice: ASK },
    { advice: 'At the identity provider, turn on signing of the assertion or of the response for this application.' },
  ),
  saml_signature_invalid: row(
    400,
    'owner',
    { title: 'The SAML response has an invalid signature', advice: 'Contact an owner of your organization or your IT administrator.' },
    {
      advice:
        'The identity provider probably uses a new signing certificate. Download its current metadata and upload it under Single sign-on.',
    },
  ),
  saml_algorithm_forbidden: row(
    400,
    'idp-administrator',
    { title: 'The SAML response uses an algorithm that is not allowed', advice: ASK },
    { advice: 'At the identity provider, choose RSA-SHA256 or stronger for this application. SHA-1 is not accepted.' },
  ),
  saml_structure_ambiguous: row(
    400,
    'idp-administrator',
    { title: 'The SAML response can be read in more than one way', advice: TRY_AGAIN_OR_ASK },
    {
      advice:
        'Attacks on single sign-on produce responses like this one. If it happens at every sign-in, the identity provider or a system behind it alters its responses.',
    },
  ),
  saml_issuer_unknown: row(
    400,
    'owner',
    {
      title: 'The SAML response comes from another identity provider',
      advice:
        'Check that you signed in with the right account. If you did, contact an owner of your organization or your IT administrator.',
    },
    { advice: 'The issuer must equal the entity ID in the metadata that was uploaded for this organization. Compare the two.' },
  ),
  saml_status_not_success: row(
    400,
    'idp-administrator',
    { title: 'The identity provider did not sign you in', advice: TRY_AGAIN_OR_ASK },
    {
      title: 'The identity provider did not sign the user in',
      advice: 'Find this sign-in in the identity provider’s log, which shows the reason.',
    },
  ),
  saml_destination_mismatch: row(
    400,
    'idp-administrator',
    { title: 'The SAML response was sent to a different address', advice: ASK },
    {
      advice:
        'At the identity provider, set the ACS URL (Okta: Single sign-on URL; Entra ID: Reply URL; Google: ACS URL) to the expected value.',
    },
  ),
  saml_recipient_mismatch: row(
    400,
    'idp-administrator',
    { title: 'The assertion was issued for a different recipient', advice: ASK },
    {
      advice:
        'At the identity provider, set the recipient (Okta: Recipient URL; Entra ID: Reply URL; Google: ACS URL) to the expected value.',
    },
  ),
  saml_audience_mismatch: row(
    400,
    'idp-administrator',
    { title: 'The assertion was issued for a different application', advice: ASK },
    {
      advice:
        'At the identity provider, set the audience (Okta: Audience URI; Entra ID: Identifier; Google: Entity ID) to the expected value.',
    },
  ),
  saml_expired: row(
    400,
    'user',
    { title: 'The SAML response has expired', advice: TRY_AGAIN_OR_ASK },
    {
      advice: 'Ask the user to sign in again. If this happens at every sign-in, check the clocks of the gateway and the identity provider.',
    },
  ),
  saml_not_yet_valid: row(
    400,
    'operator',
    {
      title: 'The SAML response is not valid yet',
      advice: 'Wait a minute, then sign in again. If this keeps happening, contact your IT administrator.',
    },
    { advice: 'The clocks of the gateway and the identity provider differ. Check time synchronization on both.' },
  ),
  saml_in_response_to_unknown: row(
    400,
    'user',
    { title: 'This sign-in has expired or was already used', advice: 'Sign in again, and finish within 30 minutes.' },
    {
      advice:
        'The response answers no pending sign-in: the user took over 30 minutes, or sent the response twice. Ask the user to sign in again.',
    },
  ),
  saml_login_not_started_here: row(
    400,
    'user',
    {
      title: 'This sign-in was started in another browser',
      advice: 'Sign in again in this browser. If a link from another person brought you here, do not continue.',
    },
    {
      advice:
        'The response answers a sign-in that another browser started. Ask the user to sign in again with cookies enabled, and not to follow sign-in links from other people.',
    },
  ),
  saml_unsolicited_forbidden: row(
    403,
    'user',
    {
      title: 'Sign-in must start at the gateway',
      advice: 'Use your organization’s sign-in page instead of the tile at your identity provider.',
    },
    {
      advice:
        'This organization does not accept sign-ins that start at the identity provider. Ask the user to start at the sign-in page, or change the setting idp_initiated.',
    },
  ),
  saml_replayed: row(
    400,
    'user',
    { title: 'This SAML response was already used', advice: 'Sign in again.' },
    {
      advice:
        'Each response is accepted once. The user probably went back or reloaded the page after the session had ended, or used another browser. Ask the user to sign in again.',
    },
  ),
  saml_proxy_restricted: row(
    400,
    'idp-administrator',
    { title: 'The assertion must not be used for other services', advice: ASK },
    {
      advice:
        'The assertion has a ProxyRestriction, but the gateway issues tokens to other services. At the identity provider, remove the ProxyRestriction for this application.',
    },
  ),
  saml_authn_context_mismatch: row(
    400,
    'idp-administrator',
    {
      title: 'You did not authenticate in the way that this organization requires',
      advice: 'Sign in again with the required method. If this keeps happening, contact your IT administrator.',
    },
    {
      title: 'The user did not authenticate in the way that this organization requires',
      advice:
        'At the identity provider, require the expected authentication method for this application, or change the settings authn_context and force_authn.',
    },
  ),
  saml_decryption_failed: row(
    400,
    'idp-administrator',
    { title: 'The SAML response could not be decrypted', advice: ASK },
    {
      advice:
        'Upload the gateway’s current metadata to the identity provider, so that it encrypts for the current certificate. Supported: AES-GCM or AES-CBC with RSA-OAEP.',
    },
  ),
  saml_name_id_missing: row(
    400,
    'idp-administrator',
    { title: 'The SAML response has no persistent user identifier', advice: ASK },
    { advice: 'At the identity provider, send a NameID that stays the same for each user (persistent or email address, not transient).' },
  ),
  saml_identifier_changed: row(
    400,
    'owner',
    {
      title: 'The SAML response identifies you differently than before',
      advice: 'Contact an owner of your organization or your IT administrator.',
    },
    {
      title: 'The SAML response does not have the identifier of this connection',
      advice:
        'At the identity provider, send the identifier shown under Single sign-on, with exactly one value. If the identity provider now identifies users differently, change the identifier under Single sign-on.',
    },
  ),
  saml_email_missing: row(
    400,
    'idp-administrator',
    { title: 'The SAML response has no email address', advice: ASK },
    {
      advice:
        'At the identity provider, send the user’s email address as an attribute with exactly one value (Okta, Google: email; Entra ID: user.mail).',
    },
  ),
  saml_role_denied: row(
    403,
    'idp-administrator',
    {
      title: 'You do not have access to this organization',
      advice: 'Ask an owner of your organization or your IT administrator for access.',
    },
    {
      title: 'The user has no role in this organization',
      advice: 'Assign the user to a group that has a role here, or add a rule for one of the user’s groups under Role mapping.',
    },
  ),
  saml_identifier_ambiguous: row(
    403,
    'owner',
    {
      title: 'Your sign-in matches more than one member',
      advice: 'Ask an owner of your organization to remove the accounts that you no longer use.',
    },
    {
      title: 'The sign-in matches more than one member',
      advice:
        'The identifiers of these members differ only by upper and lower case, and the gateway never merges members. Remove all but one of them under Members. A suspended member also counts.',
    },
  ),
  saml_email_domain_forbidden: row(
    403,
    'owner',
    {
      title: 'Your email address is not allowed in this organization',
      advice: 'Sign in with an account of your organization, or contact an owner.',
    },
    {
      title: 'The user’s email address is not allowed in this organization',
      advice: 'Add and verify the domain of the address under Domains, or ask the operator of this gateway to change email_policy.',
    },
  ),
  member_not_provisioned: row(
    403,
    'idp-administrator',
    {
      title: 'You have no account in this organization yet',
      advice: 'Ask your IT administrator to assign you to this application.',
    },
    {
      title: 'The user has no account in this organization',
      advice:
        'This organization accepts only users that its directory provisions. At the identity provider, assign the user to the application and wait for the next provisioning run.',
    },
  ),
  quota_exceeded: row(
    403,
    'operator',
    {
      title: 'This organization has reached a limit',
      advice: 'Ask an owner of your organization to raise it with the operator of this gateway.',
    },
    { advice: 'Remove what is no longer needed, or ask the operator of this gateway to raise the quota of this organization.' },
  ),
  member_suspended: row(
    403,
    'owner',
    { title: 'Your access is suspended', advice: 'Ask an owner of your organization to restore your access.' },
    {
      title: 'The member is suspended',
      advice: 'An owner can lift the suspension of the member, or of another account of the same user, under Members.',
    },
  ),
  idp_metadata_invalid: row(400, 'owner', {
    title: 'This is not valid metadata of an identity provider',
    advice: 'Download the metadata of the identity provider (not of the service provider) again and upload it unchanged.',
  }),
  idp_not_configured: row(
    404,
    'owner',
    { title: 'This organization has no identity provider yet', advice: 'An owner of the organization must set up single sign-on first.' },
    { advice: 'Upload the metadata of the identity provider under Single sign-on.' },
  ),
  organization_unknown: row(404, 'user', {
    title: 'This organization does not exist',
    advice: 'Check the address, or start from the sign-in page.',
  }),
  unauthenticated: row(401, 'user', { title: 'You are not signed in', advice: 'Sign in and try again.' }, { title: 'Not signed in' }),
  forbidden: row(
    403,
    'owner',
    { title: 'You are not allowed to do this', advice: 'Ask an owner of your organization to do it, or to make you an owner.' },
    { title: 'Not allowed' },
  ),
  not_found: row(404, 'user', { title: 'Not found', advice: 'Check the address.' }),
  conflict: row(409, 'user', {
    title: 'This conflicts with the current state',
    advice: 'Resolve the conflict described above, then try again.',
  }),
  validation_failed: row(400, 'user', { title: 'The request is invalid', advice: 'Correct the fields named above and try again.' }),
  rate_limited: row(429, 'user', { title: 'Too many attempts', advice: 'Wait a moment and try again.' }),
  payload_too_large: row(413, 'user', { title: 'The request is too large', advice: 'Send less data and try again.' }),
  store_unavailable: row(
    503,
    'operator',
    {
      title: 'The gateway cannot reach its store',
      advice:
        'The request may or may not have taken effect. Try again in a moment. If this keeps happening, contact the operator of this gateway.',
    },
    {
      advice:
        'The request may or may not have taken effect; repeat it. Check that the store (SQLite file or Redis) and its replicas are available.',
    },
  ),
  internal: row(
    500,
    'operator',
    {
      title: 'Something went wrong in the gateway',
      advice: 'This is not your fault. Send the code and the request ID to the operator of this gateway.',
    },
    { advice: 'Search the gateway’s log for the request ID and report the error.' },
  ),
} as const satisfies Record<string, ErrorRow>;

export type ErrorCode = keyof typeof ERRORS;

interface ErrorVariant {
  readonly code: ErrorCode;
  readonly user: Partial<ErrorText>;
  readonly administrator: Partial<ErrorText>;
}

const variant = (code: ErrorCode, user: Partial<ErrorText>, administrator: Partial<ErrorText> = {}): ErrorVariant => ({
  code,
  user,
  administrator: { ...user, ...administrator },
});

/** Overrides the text of a code in specific situations. A missing text falls back to that row. */
export const ERROR_VARIANTS = {
  link_unapproved: variant(
    'saml_identifier_ambiguous',
    {
      title: 'An owner must confirm your account',
      advice: 'Ask an owner of your organization to approve your sign-in under Single sign-on, then sign in again.',
    },
    {
      title: 'The sign-in waits for an approval',
      advice:
        'The identity provider of this connection changed, and an owner or the operator must confirm that this user is the existing member. Compare the user with the member under Single sign-on, then approve or decline.',
    },
  ),
  identifier_undecided: variant(
    'saml_identifier_changed',
    { title: 'Your organization must first choose how users are identified' },
    {
      title: 'An administrator must choose how users are identified',
      advice:
        'Ask an existing member to sign in first. That sign-in sets the identifier for the connection. If the identity provider now identifies users differently, choose the identifier under Single sign-on.',
    },
  ),
  groups_absent: variant(
    'saml_role_denied',
    {},
    {
      advice:
        'The identity provider sent no groups for the user. Add a groups attribute to the application at the identity provider, or set a default role under Role mapping.',
    },
  ),
  groups_over_limit: variant(
    'saml_role_denied',
    {},
    {
      advice:
        'The user is in more groups than the identity provider sends. At the identity provider, limit the groups to those assigned to the application.',
    },
  ),
  groups_unmatched: variant('saml_role_denied', {}),
  response_too_large: variant(
    'payload_too_large',
    { title: 'The SAML response is too large', advice: ASK },
    { advice: 'A SAML response may have at most 256 KiB. At the identity provider, send fewer groups.' },
  ),
  metadata_too_large: variant('payload_too_large', {
    title: 'The metadata file is too large',
    advice: 'A metadata file may have at most 1 MiB. Upload only the metadata of your identity provider, not that of a whole federation.',
  }),
  logo_too_large: variant('payload_too_large', {
    title: 'The image is too large',
    advice: 'A logo may have at most 64 KiB. Save it with fewer pixels or with stronger compression.',
  }),
  upload_too_large: variant('payload_too_large', {
    title: 'The file is too large',
    advice:
      'A file may have at most 1 MiB, and a logo at most 64 KiB. If you are uploading metadata, choose the file of your identity provider only, not that of a whole federation.',
  }),
  logout_unknown: variant('saml_in_response_to_unknown', {
    title: 'This logout is unknown or already finished',
    advice: 'If you are still signed in, sign out again.',
  }),
  logout_replayed: variant('saml_replayed', {
    title: 'This logout request was already used',
    advice: 'If you are still signed in, sign out again.',
  }),
  logout_expired: variant(
    'saml_expired',
    { title: 'This logout request has expired', advice: 'If you are still signed in, sign out again.' },
    { advice: 'If this happens at every logout, check the clocks of the gateway and the identity provider.' },
  ),
  acs_opened: variant('not_found', {
    title: 'This address receives SAML responses',
    advice: 'Sign in. If you are setting up an identity provider, enter this address there as the ACS URL, with the binding HTTP-POST.',
  }),
  setup_link_invalid: variant('not_found', {
    title: 'This setup link is invalid, expired or already used',
    advice:
      'If you have started the setup with it, open it in the same browser, within 24 hours. Otherwise, ask the person who sent it for a new one.',
  }),
  setup_session_ended: variant('unauthenticated', {
    title: 'This setup has ended',
    advice: 'Ask the person who sent you the setup link for a new one.',
  }),
} as const satisfies Record<string, ErrorVariant>;

export type ErrorVariantName = keyof typeof ERROR_VARIANTS;

/** The title and advice of an error, in the words for this reader. */
export function errorText(code: ErrorCode, reader: Reader, variantName?: ErrorVariantName): ErrorText {
  const { title, advice } = ERRORS[code][reader];
  const own: Partial<ErrorText> = variantName === undefined ? {} : ERROR_VARIANTS[variantName][reader];
  return { title: own.title ?? title, advice: own.advice ?? advice };
}

/** The OAuth error codes that the OAuth endpoints add (RFC 6749 §5.2, RFC 8628 §3.5, RFC 8693 §2.2.2). */
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

/** Details of one error. All but `cause` are public: they hold no secret, and no markup from input. */
export interface ErrorFacts {
  /** A sentence for the person who made the request. */
  readonly detail?: string;
  /** The same for owners and operators, if they need other words. */
  readonly administratorDetail?: string;
  readonly variant?: ErrorVariantName;
  /** The expected and the received value, if both are harmless to show. */
  readonly wanted?: string;
  readonly got?: string;
  /** Goes to the log only. */
  readonly cause?: unknown;
  /** Seconds after which a retry makes sense (429, 503). */
  readonly retryAfterSeconds?: number;
  /** Only the OAuth endpoints send this. */
  readonly oauthError?: OAuthErrorCode;
}

/** An error with a code from {@link ERRORS}. Its `message` holds code and detail, so that log lines and stack traces show both. */
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

  /** The title and advice of this error, in the words for this reader. */
  textFor(reader: Reader): ErrorText {
    return errorText(this.code, reader, this.facts.variant);
  }
}

/** Returns the code to log for a failure. Everything but a {@link GatewayError} is a defect. */
export const codeOf = (error: unknown): ErrorCode => (error instanceof GatewayError ? error.code : 'internal');

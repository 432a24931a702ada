/**
 * Which setting of which screen of an identity provider to change, for what a response can be refused for. Screens and fields
 * are spelled as the administrator sees them; `config/idp-examples` has the whole way through each.
 */
import type { ErrorCode } from '../../errors.ts';

export type IdpKind = 'okta' | 'entra-id' | 'google-workspace' | 'other';

/** The products whose screens are known, by what their entityIDs and sign-in URLs look like. */
const KINDS: readonly (readonly [kind: IdpKind, entityId: RegExp, ssoHost: RegExp])[] = [
  ['okta', /^http:\/\/www\.okta\.com\//, /(?:^|\.)(?:okta|oktapreview|okta-emea|okta-gov|trexcloud)\.com$/],
  [
    'entra-id',
    /^https:\/\/(?:sts\.windows\.net|sts\.chinacloudapi\.cn|login\.microsoftonline\.(?:com|us))\//,
    /^login\.(?:microsoftonline\.(?:com|us)|partner\.microsoftonline\.cn|windows\.net)$/,
  ],
  ['google-workspace', /^https:\/\/accounts\.google\.com\/o\/saml2\?/, /^accounts\.google\.com$/],
];

/** @param ssoUrl where it has people sign in: an entityID can be chosen freely in some products */
export function idpKindOf(entityId: string, ssoUrl: string | undefined): IdpKind {
  const host = ssoUrl !== undefined && URL.canParse(ssoUrl) ? new URL(ssoUrl).hostname : '';
  return KINDS.find(([, id, ssoHost]) => id.test(entityId) || ssoHost.test(host))?.[0] ?? 'other';
}

/** `key` stays the same while the words become better. */
export interface Hint {
  readonly key: string;
  readonly text: string;
}

const OKTA = 'Okta: Applications > (the app) > General > SAML Settings > Edit > Configure SAML';
const ENTRA = 'Entra ID: Enterprise apps > (the application) > Single sign-on';
const GOOGLE = 'Google: Apps > Web and mobile apps > (the app)';

const NEW_METADATA = 'then upload it here under single sign-on. The certificate in it is what signatures are held against.';

const SCREENS: Partial<Record<ErrorCode, Readonly<Record<IdpKind, string>>>> = {
  saml_signature_missing: {
    okta: `${OKTA} > Show Advanced Settings: set “Response” and “Assertion Signature” to Signed.`,
    'entra-id': `${ENTRA} > 3 SAML Certificates > Edit > Signing Option: choose “Sign SAML assertion”, or “Sign SAML response and assertion” where a signed response is asked for.`,
    'google-workspace': `${GOOGLE} > Service provider details > Signed response: tick it where this organization asks for a signed response, leave it empty where it asks for a signed assertion.`,
    other: 'Turn on signing of the assertion (or of the response, where this organization asks for it) for this service provider.',
  },
  saml_signature_invalid: {
    okta: `Okta: Applications > (the app) > Sign On > SAML Signing Certificates > Actions of the active one > View IdP metadata; save it, ${NEW_METADATA}`,
    'entra-id': `${ENTRA} > 3 SAML Certificates > Federation Metadata XML > Download, ${NEW_METADATA}`,
    'google-workspace': `${GOOGLE} > Download metadata, ${NEW_METADATA}`,
    other: `Download the identity provider’s present metadata, ${NEW_METADATA}`,
  },
  saml_algorithm_forbidden: {
    okta: `${OKTA} > Show Advanced Settings: set “Signature Algorithm” to RSA-SHA256 and “Digest Algorithm” to SHA256.`,
    'entra-id': `${ENTRA} > 3 SAML Certificates > Edit > Signing Algorithm: choose SHA-256.`,
    'google-workspace':
      'Google signs with RSA-SHA256, so something between Google and the gateway changes the message, or it does not come from Google.',
    other: 'Choose RSA-SHA256 (or stronger) as signature algorithm and SHA-256 as digest algorithm for this service provider.',
  },
  saml_issuer_unknown: {
    okta: `${OKTA} > Show Advanced Settings > “SAML Issuer ID”, and Sign On > View IdP metadata: the entityID there must be the one here. Upload that metadata again, or sign in to the right app.`,
    'entra-id': `${ENTRA} > 4 Set up > Microsoft Entra Identifier: it must be the entity ID here. Upload the Federation Metadata XML of this application and tenant.`,
    'google-workspace': `${GOOGLE} > Download metadata: the entity ID there (with its idpid) must be the one here. Upload that metadata.`,
    other: 'Compare the identity provider’s entity ID with the one here; upload its present metadata where they differ.',
  },
  saml_status_not_success: {
    okta: 'Okta: Reports > System Log, at the time of the attempt; often the person or their group is missing under Applications > (the app) > Assignments.',
    'entra-id':
      'Entra ID: Identity > Monitoring & health > Sign-in logs, by the AADSTS number; often the person or their group is missing under Users and groups of the application.',
    'google-workspace': `${GOOGLE} > User access: it must be on for the person; Reporting > Audit and investigation > SAML log events has the reason.`,
    other: 'Look in the identity provider’s own log at the time of the attempt; often the person is not assigned to the application.',
  },
  saml_destination_mismatch: {
    okta: `${OKTA} > Single sign-on URL: set it to the ACS URL, and tick “Use this for Recipient URL and Destination URL”.`,
    'entra-id': `${ENTRA} > 1 Basic SAML Configuration > Reply URL (Assertion Consumer Service URL): set it to the ACS URL.`,
    'google-workspace': `${GOOGLE} > Service provider details > ACS URL: set it to the ACS URL.`,
    other: 'Set the assertion consumer service URL (ACS URL, reply URL, destination) exactly as it is wanted.',
  },
  saml_recipient_mismatch: {
    okta: `${OKTA} > Single sign-on URL: set it to the ACS URL, and tick “Use this for Recipient URL and Destination URL”.`,
    'entra-id': `${ENTRA} > 1 Basic SAML Configuration > Reply URL (Assertion Consumer Service URL): set it to the ACS URL.`,
    'google-workspace': `${GOOGLE} > Service provider details > ACS URL: set it to the ACS URL.`,
    other: 'Set the recipient (ACS URL, reply URL) exactly as it is wanted.',
  },
  saml_audience_mismatch: {
    okta: `${OKTA} > Audience URI (SP Entity ID): set it to the entity ID.`,
    'entra-id': `${ENTRA} > 1 Basic SAML Configuration > Identifier (Entity ID): set it to the entity ID, and make it the default where there are several.`,
    'google-workspace': `${GOOGLE} > Service provider details > Entity ID: set it to the entity ID.`,
    other: 'Set the audience (entity ID, identifier, SP entity ID) exactly as it is wanted.',
  },
  saml_decryption_failed: {
    okta: `${OKTA} > Show Advanced Settings: “Assertion Encryption” Encrypted with the certificate of this gateway’s metadata, “Encryption Algorithm” AES256-GCM or AES256-CBC, “Key Transport Algorithm” RSA-OAEP; or Unencrypted, where this organization does not ask for encryption.`,
    'entra-id':
      'Entra ID: Enterprise apps > (the application) > Token encryption: import the certificate of this gateway’s metadata and activate it.',
    'google-workspace': `${GOOGLE} > Service provider details: Google does not encrypt for every service provider; turn off require_encrypted_assertion here where it can’t.`,
    other: 'Import this gateway’s present metadata (or the certificate in it), with AES-GCM or AES-CBC and RSA-OAEP.',
  },
  saml_name_id_missing: {
    okta: `${OKTA}: “Name ID format” EmailAddress or Persistent, “Application username” a value that stays.`,
    'entra-id': `${ENTRA} > 2 Attributes & Claims > Unique User Identifier (Name ID): any format but transient.`,
    'google-workspace': `${GOOGLE} > Service provider details > Name ID: “Name ID format” EMAIL or PERSISTENT, “Name ID” Basic Information > Primary email.`,
    other: 'Send a NameID that stays the same for a person (persistent or e-mail address, not transient).',
  },
  saml_email_missing: {
    okta: `${OKTA} > Attribute Statements: Name “email”, Value user.email.`,
    'entra-id': `${ENTRA} > 2 Attributes & Claims: the claim emailaddress with the value user.mail; the person needs a Mail in their profile.`,
    'google-workspace': `${GOOGLE} > Attribute mapping: Basic Information > Primary email as “email”.`,
    other:
      'Send the e-mail address of the person as an attribute with exactly one value, or name the attribute here under attribute_mapping.',
  },
  saml_role_denied: {
    okta: `${OKTA} > Group Attribute Statements: Name “groups”, with a filter that the person’s groups pass; or add a rule for one of the groups here.`,
    'entra-id': `${ENTRA} > 2 Attributes & Claims > Add a group claim: Groups assigned to the application, Source attribute Group ID; rules here name those IDs.`,
    'google-workspace': `${GOOGLE} > Attribute mapping > Group membership: choose the groups, with the App attribute that attribute_mapping here has for groups.`,
    other: 'Send the groups of the person as an attribute, or add a rule here for one of the groups that are sent.',
  },
};

/** What to change at an identity provider of this kind; undefined where no setting of it is the cause. */
export function hintFor(code: ErrorCode, kind: IdpKind): Hint | undefined {
  const text = SCREENS[code]?.[kind];
  return text === undefined ? undefined : { key: `${code}.${kind}`, text };
}

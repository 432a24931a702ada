/**
 * The setting to change at the identity provider, for each code that a response can be refused with. Screens and fields are spelled as
 * the administrator sees them; `config/idp-examples` has the complete setup of each product.
 */
import type { ErrorCode } from '../../errors.ts';

export type IdpKind = 'okta' | 'entra-id' | 'google-workspace' | 'other';

/** Recognizes the products by their entityIDs and sign-in URLs. */
const KINDS: readonly (readonly [kind: IdpKind, entityId: RegExp, ssoHost: RegExp])[] = [
  ['okta', /^http:\/\/www\.okta\.com\//, /(?:^|\.)(?:okta|oktapreview|okta-emea|okta-gov|trexcloud)\.com$/],
  [
    'entra-id',
    /^https:\/\/(?:sts\.windows\.net|sts\.chinacloudapi\.cn|login\.microsoftonline\.(?:com|us))\//,
    /^login\.(?:microsoftonline\.(?:com|us)|partner\.microsoftonline\.cn|windows\.net)$/,
  ],
  ['google-workspace', /^https:\/\/accounts\.google\.com\/o\/saml2\?/, /^accounts\.google\.com$/],
];

/**
 * Recognizes the product of an identity provider.
 * @param ssoUrl its single sign-on URL, because some products let administrators choose any entityID
 */
export function idpKindOf(entityId: string, ssoUrl: string | undefined): IdpKind {
  const host = ssoUrl !== undefined && URL.canParse(ssoUrl) ? new URL(ssoUrl).hostname : '';
  return KINDS.find(([, id, ssoHost]) => id.test(entityId) || ssoHost.test(host))?.[0] ?? 'other';
}

/** `key` stays the same when the text is edited. */
export interface Hint {
  readonly key: string;
  readonly text: string;
}

const OKTA = 'Okta: Applications > (the app) > General > SAML Settings > Edit > Configure SAML';
const ENTRA = 'Entra ID: Enterprise apps > (the application) > Single sign-on';
const GOOGLE = 'Google: Apps > Web and mobile apps > (the app)';

const UPLOAD = 'upload it here under Single sign-on. Signatures are verified with the certificate in it.';

const SCREENS: Partial<Record<ErrorCode, Readonly<Record<IdpKind, string>>>> = {
  saml_signature_missing: {
    okta: `${OKTA} > Show Advanced Settings: set “Response” and “Assertion Signature” to Signed.`,
    'entra-id': `${ENTRA} > 3 SAML Certificates > Edit > Signing Option: choose “Sign SAML assertion”, or “Sign SAML response and assertion” if this organization requires a signed response.`,
    'google-workspace': `${GOOGLE} > Service provider details > Signed response: select it if this organization requires a signed response, clear it if this organization requires a signed assertion.`,
    other: 'Turn on signing of the assertion for this service provider, or of the response if this organization requires it.',
  },
  saml_signature_invalid: {
    okta: `Okta: Applications > (the app) > Sign On > SAML Signing Certificates > Actions of the active certificate > View IdP metadata: save the metadata, then ${UPLOAD}`,
    'entra-id': `${ENTRA} > 3 SAML Certificates > Federation Metadata XML > Download: save the metadata, then ${UPLOAD}`,
    'google-workspace': `${GOOGLE} > Download metadata: save the metadata, then ${UPLOAD}`,
    other: `Download the current metadata of the identity provider, then ${UPLOAD}`,
  },
  saml_algorithm_forbidden: {
    okta: `${OKTA} > Show Advanced Settings: set “Signature Algorithm” to RSA-SHA256 and “Digest Algorithm” to SHA256.`,
    'entra-id': `${ENTRA} > 3 SAML Certificates > Edit > Signing Algorithm: choose SHA-256.`,
    'google-workspace':
      'Google always signs with RSA-SHA256. Either a system between Google and the gateway changes the response, or the response does not come from Google.',
    other: 'For this service provider, choose RSA-SHA256 or stronger as the signature algorithm and SHA-256 as the digest algorithm.',
  },
  saml_issuer_unknown: {
    okta: `${OKTA} > Show Advanced Settings > “SAML Issuer ID”, and Sign On > View IdP metadata: the entityID there must equal the entity ID here. Upload that metadata again, or sign in to the right app.`,
    'entra-id': `${ENTRA} > 4 Set up > Microsoft Entra Identifier: it must equal the entity ID here. Upload the Federation Metadata XML of this application and tenant.`,
    'google-workspace': `${GOOGLE} > Download metadata: the entity ID there (with its idpid) must equal the entity ID here. Upload that metadata.`,
    other: 'Compare the entity ID of the identity provider with the one here. If they differ, upload the current metadata.',
  },
  saml_status_not_success: {
    okta: 'Okta: Reports > System Log, at the time of the sign-in. Often the user or their group is missing under Applications > (the app) > Assignments.',
    'entra-id':
      'Entra ID: Identity > Monitoring & health > Sign-in logs, with the AADSTS number. Often the user or their group is missing under Users and groups of the application.',
    'google-workspace': `${GOOGLE} > User access: turn it on for the user. Reporting > Audit and investigation > SAML log events has the reason.`,
    other: 'Look for this sign-in in the identity provider’s log, at the same time. Often the user is not assigned to the application.',
  },
  saml_destination_mismatch: {
    okta: `${OKTA} > Single sign-on URL: set it to the ACS URL, and select “Use this for Recipient URL and Destination URL”.`,
    'entra-id': `${ENTRA} > 1 Basic SAML Configuration > Reply URL (Assertion Consumer Service URL): set it to the ACS URL.`,
    'google-workspace': `${GOOGLE} > Service provider details > ACS URL: set it to the ACS URL.`,
    other: 'Set the assertion consumer service URL (also called ACS URL, reply URL or destination) to exactly the expected value.',
  },
  saml_recipient_mismatch: {
    okta: `${OKTA} > Single sign-on URL: set it to the ACS URL, and select “Use this for Recipient URL and Destination URL”.`,
    'entra-id': `${ENTRA} > 1 Basic SAML Configuration > Reply URL (Assertion Consumer Service URL): set it to the ACS URL.`,
    'google-workspace': `${GOOGLE} > Service provider details > ACS URL: set it to the ACS URL.`,
    other: 'Set the recipient (also called ACS URL or reply URL) to exactly the expected value.',
  },
  saml_audience_mismatch: {
    okta: `${OKTA} > Audience URI (SP Entity ID): set it to the entity ID.`,
    'entra-id': `${ENTRA} > 1 Basic SAML Configuration > Identifier (Entity ID): set it to the entity ID. If there are several, make it the default.`,
    'google-workspace': `${GOOGLE} > Service provider details > Entity ID: set it to the entity ID.`,
    other: 'Set the audience (also called entity ID, identifier or SP entity ID) to exactly the expected value.',
  },
  saml_decryption_failed: {
    okta: `${OKTA} > Show Advanced Settings: set “Assertion Encryption” to Encrypted with the certificate in this gateway’s metadata, “Encryption Algorithm” to AES256-GCM or AES256-CBC, and “Key Transport Algorithm” to RSA-OAEP. If this organization does not require encryption, Unencrypted works too.`,
    'entra-id':
      'Entra ID: Enterprise apps > (the application) > Token encryption: import the certificate in this gateway’s metadata and activate it.',
    'google-workspace': `${GOOGLE} > Service provider details: Google does not encrypt for every service provider. If it does not for this one, turn off require_encrypted_assertion here.`,
    other: 'Import the current metadata of this gateway, or the certificate in it, and choose AES-GCM or AES-CBC with RSA-OAEP.',
  },
  saml_name_id_missing: {
    okta: `${OKTA}: set “Name ID format” to EmailAddress or Persistent, and “Application username” to a value that never changes.`,
    'entra-id': `${ENTRA} > 2 Attributes & Claims > Unique User Identifier (Name ID): choose any format except transient.`,
    'google-workspace': `${GOOGLE} > Service provider details > Name ID: set “Name ID format” to EMAIL or PERSISTENT, and “Name ID” to Basic Information > Primary email.`,
    other: 'Send a NameID that stays the same for each user (persistent or email address, not transient).',
  },
  saml_authn_context_mismatch: {
    okta: 'Okta: Applications > (the app) > Sign On > User authentication: choose a policy that requires the expected method. Leave authn_context empty here if the policy decides.',
    'entra-id':
      'Entra ID: Protection > Conditional Access: require the expected method for this application. Leave authn_context empty here if Conditional Access decides, because Entra ID reports only a few classes.',
    'google-workspace': 'Google always reports the class unspecified. Leave authn_context empty here.',
    other: 'Require the expected authentication method for this service provider, or change authn_context and force_authn here.',
  },
  saml_email_missing: {
    okta: `${OKTA} > Attribute Statements: add the name “email” with the value user.email.`,
    'entra-id': `${ENTRA} > 2 Attributes & Claims: add the claim emailaddress with the value user.mail. The user needs a Mail in their profile.`,
    'google-workspace': `${GOOGLE} > Attribute mapping: map Basic Information > Primary email to “email”.`,
    other:
      'Send the email address of the user as an attribute with exactly one value. If its name differs, add the name to attribute_mapping here.',
  },
  saml_role_denied: {
    okta: `${OKTA} > Group Attribute Statements: add the name “groups” with a filter that matches the user’s groups. Or add a role rule here for one of the groups.`,
    'entra-id': `${ENTRA} > 2 Attributes & Claims > Add a group claim: choose Groups assigned to the application and the source attribute Group ID. Role rules here use these IDs.`,
    'google-workspace': `${GOOGLE} > Attribute mapping > Group membership: choose the groups, and use the App attribute that attribute_mapping here names for groups.`,
    other: 'Send the groups of the user as an attribute, or add a role rule here for one of the groups that are sent.',
  },
};

/** Returns the setting to change at an identity provider of this kind; undefined if no setting there is the cause. */
export function hintFor(code: ErrorCode, kind: IdpKind): Hint | undefined {
  const text = SCREENS[code]?.[kind];
  return text === undefined ? undefined : { key: `${code}.${kind}`, text };
}

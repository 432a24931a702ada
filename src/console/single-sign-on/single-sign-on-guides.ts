/** Steps through the screens of each identity provider, in its own words. `config/idp-examples` has the same for files. */
import type { IdpKind } from '../../saml/explain/idp-screens.ts';

/** Values of the organization that guides refer to. */
export type OwnValue = 'acs' | 'entityId' | 'login' | 'metadata';

/** A field of a screen with its content: a value to copy, or a text. */
export type GuideField = readonly [field: string, value: { readonly own: OwnValue } | string];

export interface GuideStep {
  readonly text: string;
  readonly fields?: readonly GuideField[];
}

export interface Guide {
  readonly label: string;
  readonly steps: readonly GuideStep[];
}

const ACS = { own: 'acs' } as const;
const ENTITY_ID = { own: 'entityId' } as const;
const LOGIN = { own: 'login' } as const;
const METADATA = { own: 'metadata' } as const;

export const GUIDES: Readonly<Record<IdpKind, Guide>> = {
  okta: {
    label: 'Okta',
    steps: [
      { text: 'Admin Console: Applications > Applications > Create App Integration > SAML 2.0 > Next. Give the app a name.' },
      {
        text: 'On the page Configure SAML fill in:',
        fields: [
          ['Single sign-on URL', ACS],
          ['Audience URI (SP Entity ID)', ENTITY_ID],
          ['Name ID format', 'EmailAddress'],
          ['Application username', 'Email'],
        ],
      },
      {
        text: 'Sign On tab > Attribute statements > Show legacy configuration > Edit (or further down on Configure SAML):',
        fields: [
          ['email', 'user.email'],
          ['firstName', 'user.firstName'],
          ['lastName', 'user.lastName'],
          ['groups (group attribute statement)', 'a filter that matches the groups that should have a role here'],
        ],
      },
      { text: 'Assignments tab > Assign: the users and groups that may sign in.' },
      { text: 'Sign On tab > Metadata URL > Copy, and enter it below as a URL. The gateway then picks up new certificates by itself.' },
    ],
  },
  'entra-id': {
    label: 'Entra ID',
    steps: [
      {
        text: 'Entra admin center: Entra ID > Enterprise apps > New application > Create your own application > a name, and “Integrate any other application you don’t find in the gallery” > Create.',
      },
      {
        text: 'In the application: Manage > Single sign-on > SAML > 1 Basic SAML Configuration > Edit:',
        fields: [
          ['Identifier (Entity ID)', ENTITY_ID],
          ['Reply URL (Assertion Consumer Service URL)', ACS],
          ['Sign on URL (Optional)', LOGIN],
        ],
      },
      {
        text: '2 Attributes & Claims > Edit:',
        fields: [
          ['…/claims/emailaddress', 'user.mail'],
          ['Add a group claim', 'Groups assigned to the application; Source attribute: Group ID'],
        ],
      },
      { text: 'Manage > Users and groups > Add user/group: the users and groups that may sign in.' },
      { text: '3 SAML Certificates > App Federation Metadata Url > copy, and enter it below as a URL.' },
    ],
  },
  'google-workspace': {
    label: 'Google Workspace',
    steps: [
      { text: 'Admin console: Apps > Web and mobile apps > Add app > Add custom SAML app. Give the app a name > Continue.' },
      { text: 'Google Identity Provider details: Download metadata, to upload it below > Continue.' },
      {
        text: 'Service provider details (Google accepts only https ACS URLs):',
        fields: [
          ['ACS URL', ACS],
          ['Entity ID', ENTITY_ID],
          ['Name ID format', 'EMAIL'],
          ['Name ID', 'Basic Information > Primary email'],
        ],
      },
      {
        text: 'Attribute mapping:',
        fields: [
          ['Primary email', 'email'],
          ['First name', 'firstName'],
          ['Last name', 'lastName'],
          ['Group membership > App attribute', 'groups'],
        ],
      },
      { text: 'On the app’s page: User access > ON for the users who may sign in. It is OFF for everyone by default.' },
    ],
  },
  other: {
    label: 'Other',
    steps: [
      {
        text: 'Create a SAML 2.0 application (service provider, relying party). If the identity provider can import service provider metadata, enter this URL:',
        fields: [['Metadata', METADATA]],
      },
      {
        text: 'Otherwise, fill in:',
        fields: [
          ['ACS URL, reply URL, single sign-on URL', ACS],
          ['Entity ID, audience, identifier', ENTITY_ID],
        ],
      },
      { text: 'Turn on signing of the assertion or of the response, with RSA-SHA256.' },
      {
        text: 'Send a NameID that stays the same for each user, and these attributes:',
        fields: [
          ['email', 'the email address'],
          ['firstName, lastName (or name)', 'the name'],
          ['groups', 'the groups that should have a role here'],
        ],
      },
      { text: 'Provide its metadata below as a URL, as a file or as text, or enter the values manually.' },
    ],
  },
};

export const isGuide = (text: unknown): text is IdpKind => typeof text === 'string' && Object.hasOwn(GUIDES, text);

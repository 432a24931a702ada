/** Identity providers that are services. Screens, fields and buttons are spelled as the vendor does. */
import { ACS, ENTITY_ID, fields, type IdpProduct, LOGIN, LOGOUT, SCIM, SCIM_TENANT } from './idp-product.ts';

const NAMES = [
  ['email', 'Email'],
  ['firstName', 'First Name'],
  ['lastName', 'Last Name'],
] as const;

export const OKTA: IdpProduct = {
  label: 'Okta',
  example: 'okta.yaml',
  kind: 'okta',
  tasks: [
    {
      title: 'Create the app',
      text: 'In the Admin Console, open Applications > Applications > Create App Integration, choose SAML 2.0 and click Next. On General Settings, enter an app name.',
      buttons: ['Next'],
    },
    {
      title: 'Configure SAML',
      text: 'Fill in the Configure SAML page. Keep the advanced settings.',
      fields: fields(
        ['Single sign-on URL', ACS],
        ['Use this for Recipient URL and Destination URL', 'selected', 'box'],
        ['Audience URI (SP Entity ID)', ENTITY_ID],
        ['Name ID format', 'EmailAddress', 'choice'],
        ['Application username', 'Email', 'choice'],
      ),
      buttons: ['Next'],
    },
    {
      title: 'Feedback',
      text: 'On the Feedback page, choose that this is an internal app that you have created.',
      buttons: ['Finish'],
    },
    {
      title: 'Send names and groups',
      text: 'Open the app’s Sign On tab > Attribute statements > Show legacy configuration > Edit. If the tab has no such section, the fields are on the Configure SAML page, below the fields above.',
      fields: fields(
        ['Name “email”, Value', 'user.email'],
        ['Name “firstName”, Value', 'user.firstName'],
        ['Name “lastName”, Value', 'user.lastName'],
        ['Group attribute “groups”, Filter', 'Matches regex, for the groups that have a role here'],
      ),
      buttons: ['Save'],
      note: 'Okta leaves the attribute out for users in no group that matches the filter.',
    },
    { title: 'Assign people', text: 'On the Assignments tab, click Assign and choose the users and groups that may sign in.' },
  ],
  provisioning: [
    {
      title: 'Turn SCIM on',
      text: 'On the app’s General tab, click Edit under App Settings and select SCIM under Provisioning. If this option is missing, your Okta plan has no Lifecycle Management.',
      buttons: ['Save'],
    },
    {
      title: 'Tab “Provisioning”, Integration',
      text: 'Click Edit, fill in the fields, and test the connector configuration.',
      fields: fields(
        ['SCIM connector base URL', SCIM],
        ['Unique identifier field for users', 'userName'],
        ['Supported provisioning actions', 'Push New Users, Push Profile Updates, Push Groups', 'choice'],
        ['Authentication Mode', 'HTTP Header', 'choice'],
        ['Authorization, Bearer', 'the SCIM token'],
      ),
      buttons: ['Test Connector Configuration', 'Save'],
    },
    {
      title: 'Tab “Provisioning”, To App',
      text: 'Click Edit and enable what Okta sends. The application username on the Sign On tab must be the SAML NameID.',
      fields: fields(['Create Users', 'Enable', 'box'], ['Update User Attributes', 'Enable', 'box'], ['Deactivate Users', 'Enable', 'box']),
      buttons: ['Save'],
      note: 'Users who were assigned before are provisioned with Provision User on the Assignments tab. Groups are on the Push Groups tab.',
    },
  ],
  metadata: 'Tab Sign On > Metadata URL > Copy. With the URL, the gateway picks up new certificates by itself.',
};

export const ENTRA_ID: IdpProduct = {
  label: 'Entra ID',
  example: 'entra-id.yaml',
  kind: 'entra-id',
  tasks: [
    {
      title: 'Create the application',
      text: 'In the Microsoft Entra admin center, open Entra ID > Enterprise apps > New application > Create your own application. Enter a name and choose “Integrate any other application you don’t find in the gallery (Non-gallery)”.',
      buttons: ['Create'],
    },
    {
      title: 'Card “Basic SAML Configuration”',
      text: 'In the application, open Manage > Single sign-on > SAML and click Edit on this card.',
      fields: fields(
        ['Identifier (Entity ID)', ENTITY_ID],
        ['Reply URL (Assertion Consumer Service URL)', ACS],
        ['Sign on URL (Optional)', LOGIN],
      ),
      buttons: ['Save'],
    },
    {
      title: 'Card “Attributes & Claims”',
      text: 'Click Edit on this card. Keep the Unique User Identifier.',
      fields: fields(
        ['…/claims/emailaddress', 'user.mail'],
        ['Add a group claim', 'Groups assigned to the application', 'choice'],
        ['Source attribute', 'Group ID', 'choice'],
      ),
      buttons: ['Save'],
      note: 'With “All groups”, Entra ID sends a link instead of the groups for users in more than 150 groups.',
    },
    {
      title: 'Assign people',
      text: 'Open Manage > Users and groups > Add user/group, and choose the users and groups that may sign in, including the groups that have a role here. Groups are sent only to their direct members.',
      buttons: ['Assign'],
    },
  ],
  provisioning: [
    {
      title: 'Connect the application',
      text: 'In the application, open Manage > Provisioning > Connect your application, or Provisioning Mode > Automatic > Admin Credentials.',
      fields: fields(['Tenant URL', SCIM_TENANT], ['Secret token', 'the SCIM token']),
      buttons: ['Test connection', 'Create'],
      note: 'Automatic provisioning needs an Entra ID P1 or P2 license.',
    },
    {
      title: 'Attribute mapping',
      text: 'Open Attribute mapping > Provision Microsoft Entra ID Users. If the object ID identifies users here, map externalId to objectId, and ask the operator to set scim_link_attribute before you start provisioning. Otherwise userName must be the Unique User Identifier of SAML.',
      fields: fields(
        ['userName', 'userPrincipalName', 'choice'],
        ['externalId', 'objectId', 'choice'],
        ['emails[type eq "work"].value', 'mail', 'choice'],
      ),
      buttons: ['Save'],
    },
    {
      title: 'Start provisioning',
      text: 'Open Overview and start. Entra ID sends all assigned users first, then changes about every 40 minutes. “Provision on demand” sends one user immediately.',
      buttons: ['Start provisioning'],
    },
  ],
  metadata: 'Single sign-on > card “SAML Certificates” > App Federation Metadata Url > copy.',
};

export const GOOGLE_WORKSPACE: IdpProduct = {
  label: 'Google Workspace',
  example: 'google-workspace.yaml',
  kind: 'google-workspace',
  tasks: [
    {
      title: 'Create the app',
      text: 'In the Google Admin console, open Apps > Web and mobile apps > Add app > Add custom SAML app, and enter an app name.',
      buttons: ['Continue'],
    },
    {
      title: 'Google Identity Provider details',
      text: 'Click Download Metadata and keep the file for the next step of this setup. Google has no metadata URL.',
      buttons: ['Download Metadata', 'Continue'],
    },
    {
      title: 'Service provider details',
      text: 'Fill in this page. Google accepts only https URLs.',
      fields: fields(
        ['ACS URL', ACS],
        ['Entity ID', ENTITY_ID],
        ['Name ID format', 'EMAIL', 'choice'],
        ['Name ID', 'Basic Information > Primary email', 'choice'],
      ),
      buttons: ['Continue'],
    },
    {
      title: 'Attribute mapping',
      text: 'Click Add mapping for each attribute. Under Group membership, search and choose the groups that have a role here (at most 75), and enter the app attribute.',
      fields: fields(
        ['Primary email', 'email'],
        ['First name', 'firstName'],
        ['Last name', 'lastName'],
        ['Google groups', 'the groups that have a role here', 'choice'],
        ['App attribute', 'groups'],
      ),
      buttons: ['Finish'],
    },
    {
      title: 'Turn the app on',
      text: 'On the app’s page, open User access and choose ON for everyone, or for the organizational units and groups that may sign in. It is off by default. Changes take effect within minutes, at most within 24 hours.',
      buttons: ['Save'],
    },
  ],
  metadata: 'The file that you downloaded under Google Identity Provider details. Later: the app’s page > Download metadata.',
};

export const ONELOGIN: IdpProduct = {
  label: 'OneLogin',
  example: 'onelogin.yaml',
  kind: 'other',
  tasks: [
    {
      title: 'Create the app',
      text: 'Open Administration > Applications > Applications > Add App, search for SAML Custom Connector (Advanced) and enter a display name.',
      buttons: ['Save'],
    },
    {
      title: 'Tab “Configuration”',
      text: 'Fill in this tab. The validator is a regular expression for the ACS URL.',
      fields: fields(
        ['Audience (EntityID)', ENTITY_ID],
        ['Recipient', ACS],
        ['ACS (Consumer) URL Validator', 'the ACS URL as a regular expression'],
        ['ACS (Consumer) URL', ACS],
        ['Single Logout URL', LOGOUT],
        ['SAML nameID format', 'Email', 'choice'],
      ),
      buttons: ['Save'],
    },
    {
      title: 'Tab “Parameters”',
      text: 'Click + for each field and select “Include in SAML assertion”. For groups, also select “Multi-value parameter” and choose Semicolon Delimited input (Multi-value output).',
      fields: fields(...NAMES, ['groups', 'User Roles']),
      buttons: ['Save'],
    },
    {
      title: 'Tabs “SSO” and “Access”',
      text: 'Choose the algorithm, because the gateway rejects SHA-1. On Access, choose the roles that may sign in.',
      fields: fields(['SAML Signature Algorithm', 'SHA-256', 'choice']),
      buttons: ['Save'],
    },
  ],
  metadata: 'More Actions > SAML Metadata downloads the file. The SSO tab shows its URL as Issuer URL.',
};

export const PING: IdpProduct = {
  label: 'PingOne, PingFederate',
  example: 'ping.yaml',
  kind: 'other',
  tasks: [
    {
      title: 'Create the application',
      text: 'In PingOne, open Applications > Applications > +, enter a name, choose SAML Application and click Configure. In PingFederate, open Applications > Integration > SP Connections > Create Connection with Browser SSO, and use the same values.',
      buttons: ['Configure'],
    },
    {
      title: 'SAML Configuration',
      text: 'Choose Manually Enter. PingFederate calls the entity ID “Partner’s Entity ID (Connection ID)”.',
      fields: fields(['ACS URLs', ACS], ['Entity ID', ENTITY_ID]),
      buttons: ['Save'],
    },
    {
      title: 'Tab “Attribute Mappings”',
      text: 'Map the attributes. The user ID never changes, so it identifies users.',
      fields: fields(
        ['saml_subject', 'User ID'],
        ['email', 'Email Address'],
        ['firstName', 'Given Name'],
        ['lastName', 'Family Name'],
        ['groups', 'Group Names'],
      ),
      buttons: ['Save'],
    },
    {
      title: 'Turn the application on',
      text: 'On the Access tab, choose the groups that may sign in. Then turn on the switch at the top of the application.',
    },
  ],
  metadata:
    'PingOne: tab Configuration > IDP Metadata URL, or Download Metadata. PingFederate: System > Protocol Metadata > Metadata Export.',
};

export const JUMPCLOUD: IdpProduct = {
  label: 'JumpCloud',
  example: 'jumpcloud.yaml',
  kind: 'other',
  tasks: [
    {
      title: 'Create the application',
      text: 'In the Admin Portal, open SSO Applications > + Add New Application > Custom Application > Select > Next. Choose Manage Single Sign-On (SSO) and Configure SSO with SAML, and enter a display label.',
      buttons: ['Save Application', 'Configure Application'],
    },
    {
      title: 'Tab “SSO”',
      text: 'Fill in this tab. The IdP Entity ID is a name that is unique among your applications.',
      fields: fields(
        ['SP Entity ID', ENTITY_ID],
        ['ACS URLs', ACS],
        ['SAMLSubject NameID', 'email', 'choice'],
        ['Signature Algorithm', 'RSA-SHA256', 'choice'],
        ['Login URL', LOGIN],
        ['Declare Redirect Endpoint', 'selected', 'box'],
      ),
    },
    {
      title: 'Attributes',
      text: 'On the same tab, add the user attributes and include the groups.',
      fields: fields(
        ['email', 'email'],
        ['firstName', 'firstname'],
        ['lastName', 'lastname'],
        ['include group attribute', 'memberOf', 'box'],
      ),
    },
    { title: 'Assign groups', text: 'On the User Groups tab, choose the groups that may sign in.', buttons: ['Save'] },
  ],
  metadata: 'Tab SSO > Copy Metadata URL or Export Metadata.',
};

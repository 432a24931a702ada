/** Identity providers that companies run themselves. Screens, files, fields and buttons are spelled as their documentation does. */
import { ACS, ENTITY_ID, fields, type IdpProduct, METADATA } from './idp-product.ts';

export const ADFS: IdpProduct = {
  label: 'AD FS',
  example: 'adfs.yaml',
  kind: 'other',
  tasks: [
    {
      title: 'Add the relying party trust',
      text: 'On the AD FS server, open Server Manager > Tools > AD FS Management > Relying Party Trusts > Add Relying Party Trust. Choose Claims aware, then import data published online. If AD FS cannot reach the address, open it in a browser, save it as a file and import that.',
      fields: fields(['Federation metadata address', METADATA]),
      buttons: ['Next'],
    },
    {
      title: 'Finish the wizard',
      text: 'Enter a display name and choose an access control policy: Permit specific group with the group that may sign in, or Permit everyone. Leave “Configure claims issuance policy for this application” selected.',
      buttons: ['Close'],
    },
    {
      title: 'Send names and groups',
      text: 'In Edit Claim Issuance Policy, click Add Rule, choose Send LDAP Attributes as Claims with the attribute store Active Directory.',
      fields: fields(
        ['E-Mail-Addresses', 'E-Mail Address'],
        ['Given-Name', 'Given Name'],
        ['Surname', 'Surname'],
        ['Token-Groups - Unqualified Names', 'Group'],
      ),
      buttons: ['Finish'],
      note: 'With several domains, choose Token-Groups - Qualified by Domain Name, because unqualified names may not be unique.',
    },
    {
      title: 'Send the identifier',
      text: 'Add another rule with the Transform an Incoming Claim template, and pass through all claim values. The SID of a user never changes.',
      fields: fields(
        ['Incoming claim type', 'Primary SID', 'choice'],
        ['Outgoing claim type', 'Name ID', 'choice'],
        ['Outgoing name ID format', 'Persistent Identifier', 'choice'],
      ),
      buttons: ['Finish'],
    },
  ],
  metadata: 'https://YOUR-ADFS-HOST/FederationMetadata/2007-06/FederationMetadata.xml, as a URL or as a file.',
};

export const KEYCLOAK: IdpProduct = {
  label: 'Keycloak',
  example: 'keycloak.yaml',
  kind: 'other',
  tasks: [
    {
      title: 'Import the client',
      text: 'Open this address in a browser and save it as XML. In the admin console of Keycloak, in your realm, open Clients > Import client and choose the file as Resource file.',
      fields: fields(['Metadata of this organization', METADATA]),
      buttons: ['Save'],
    },
    {
      title: 'Tab “Settings”',
      text: 'Set these fields. The import has filled in Client ID and URLs.',
      fields: fields(
        ['Name ID format', 'persistent', 'choice'],
        ['Force POST binding', 'On', 'box'],
        ['Include AuthnStatement', 'On', 'box'],
        ['Sign documents', 'On', 'box'],
        ['Signature algorithm', 'RSA_SHA256', 'choice'],
      ),
      buttons: ['Save'],
    },
    {
      title: 'Send names and groups',
      text: 'On the Client scopes tab, open the client’s dedicated scope > Configure a new mapper. Add three mappers User Attribute and one Group list.',
      fields: fields(
        ['User Attribute, SAML Attribute Name', 'email'],
        ['User Attribute, SAML Attribute Name', 'firstName'],
        ['User Attribute, SAML Attribute Name', 'lastName'],
        ['Group list, Group attribute name', 'member'],
        ['Single Group Attribute', 'On', 'box'],
        ['Full group path', 'On', 'box'],
      ),
      buttons: ['Save'],
      note: 'With the full path, /platform-admins and /interns/platform-admins stay different groups.',
    },
  ],
  metadata: 'Realm settings > General > Endpoints > SAML 2.0 Identity Provider Metadata: copy the address of that page.',
};

export const SHIBBOLETH: IdpProduct = {
  label: 'Shibboleth',
  example: 'shibboleth.yaml',
  kind: 'other',
  tasks: [
    {
      title: 'Add the metadata of this organization',
      text: 'Download this address as metadata/samlgate.xml on the IdP, and add it to conf/metadata-providers.xml.',
      fields: fields(['Metadata of this organization', METADATA]),
      code: '<MetadataProvider id="samlgate" xsi:type="FilesystemMetadataProvider"\n    metadataFile="%{idp.home}/metadata/samlgate.xml"/>',
    },
    {
      title: 'Release the attributes',
      text: 'Add this policy to conf/attribute-filter.xml. conf/attribute-resolver.xml must define all four attributes; samlSubjectID identifies the users, because the NameID of Shibboleth is transient by default.',
      code: '<AttributeFilterPolicy id="samlgate">\n  <PolicyRequirementRule xsi:type="Requester"\n    value="{entityId}"/>\n  <AttributeRule attributeID="samlSubjectID" permitAny="true"/>\n  <AttributeRule attributeID="mail" permitAny="true"/>\n  <AttributeRule attributeID="displayName" permitAny="true"/>\n  <AttributeRule attributeID="isMemberOf" permitAny="true"/>\n</AttributeFilterPolicy>',
      note: 'isMemberOf needs a SAML name: urn:oid:1.3.6.1.4.1.5923.1.5.1.1, in conf/attributes/custom/isMemberOf.properties.',
    },
    {
      title: 'Reload the configuration',
      text: 'Reload the metadata, the attribute registry, the resolver and the filter.',
      code: 'bin/reload-service.sh -id shibboleth.MetadataResolverService\nbin/reload-service.sh -id shibboleth.AttributeRegistryService\nbin/reload-service.sh -id shibboleth.AttributeResolverService\nbin/reload-service.sh -id shibboleth.AttributeFilterService',
    },
  ],
  metadata: 'metadata/idp-metadata.xml on the IdP.',
};

export const SIMPLESAMLPHP: IdpProduct = {
  label: 'SimpleSAMLphp',
  example: 'simplesamlphp.yaml',
  kind: 'other',
  tasks: [
    {
      title: 'Add the metadata of this organization',
      text: 'Open this address in a browser and copy its content. Paste it into the administration page of SimpleSAMLphp: Federation > Tools > XML to SimpleSAMLphp metadata converter. Add the result to metadata/saml20-sp-remote.php.',
      fields: fields(['Metadata of this organization', METADATA]),
      buttons: ['Parse'],
    },
    {
      title: 'Send the attributes',
      text: 'Send these attributes of your authentication source (config/authsources.php), under these names or as name2oid maps them.',
      fields: fields(['mail', 'email address'], ['displayName (or cn)', 'name'], ['groups', 'groups, one value each']),
      note: 'The NameID of SimpleSAMLphp is transient by default. That is fine here: in a later step you choose an attribute, such as uid, that identifies users.',
    },
  ],
  metadata: 'https://YOUR-HOST/simplesaml/module.php/saml/idp/metadata (version 1.19: /simplesaml/saml2/idp/metadata.php).',
};

export const OTHER: IdpProduct = {
  label: 'Another identity provider',
  kind: 'other',
  tasks: [
    {
      title: 'Create a SAML 2.0 application',
      text: 'Some products call it service provider or relying party. If it imports metadata, the last value is all that it needs.',
      fields: fields(
        ['ACS URL, reply URL or single sign-on URL', ACS],
        ['Entity ID, audience or identifier', ENTITY_ID],
        ['Metadata URL of the service provider', METADATA],
      ),
    },
    {
      title: 'Sign with SHA-256 and send attributes',
      text: 'Sign the assertion or the response with RSA-SHA256 or stronger. Send a NameID that stays the same for each user, and these attributes.',
      fields: fields(
        ['email', 'the email address'],
        ['firstName, lastName (or name)', 'the name'],
        ['groups', 'the groups that have a role here, one value each'],
      ),
    },
    { title: 'Assign people', text: 'Choose the users and groups that may sign in to the application.' },
  ],
  metadata: 'A URL, a file or text. If there is none, enter the values manually.',
};

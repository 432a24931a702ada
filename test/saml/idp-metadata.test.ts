import { execFileSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { type ErrorCode, GatewayError } from '../../src/errors.ts';
import { lintIdpMetadata } from '../../src/saml/metadata/idp-metadata-lint.ts';
import { type ManualIdp, readIdpMetadata, readManualIdp } from '../../src/saml/metadata/idp-metadata-reader.ts';
import { isLoopbackHost } from '../../src/saml/metadata/loopback-host.ts';
import { createSpMetadata } from '../../src/saml/metadata/sp-metadata.ts';

const folder = mkdtempSync(join(tmpdir(), 'samlgate-metadata-'));
const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' });

function certificate(name: string, newkey = 'rsa:2048', ...options: string[]): string {
  openssl(
    'req',
    '-x509',
    '-newkey',
    newkey,
    ...options,
    '-nodes',
    '-keyout',
    `${name}.key`,
    '-out',
    `${name}.pem`,
    '-days',
    '365',
    '-subj',
    `/CN=${name}`,
  );
  return bare(name);
}

const bare = (name: string) => readFileSync(join(folder, `${name}.pem`), 'utf8').replace(/-----[A-Z ]+-----|\s/g, '');

const A = certificate('a');
const B = certificate('b');
const C = certificate('c');
const WEAK = certificate('weak', 'rsa:1024');
const EC = certificate('ec', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-384');
const ED25519 = certificate('ed25519', 'ed25519');
openssl('req', '-new', '-newkey', 'rsa:2048', '-nodes', '-keyout', 'leaf.key', '-out', 'leaf.csr', '-subj', '/CN=leaf');
openssl('x509', '-req', '-in', 'leaf.csr', '-CA', 'a.pem', '-CAkey', 'a.key', '-CAcreateserial', '-days', '365', '-out', 'leaf.pem');
const LEAF_SIGNED_BY_A = bare('leaf');
rmSync(folder, { recursive: true });

const NOW = Date.now() + 60_000; // a little later than the certificates
const DAY = 86_400_000;
const iso = (days: number) => new Date(NOW + days * DAY).toISOString();

const MD = 'urn:oasis:names:tc:SAML:2.0:metadata';
const SAML2 = 'urn:oasis:names:tc:SAML:2.0:protocol';
const BINDINGS = 'urn:oasis:names:tc:SAML:2.0:bindings';

const lines = (base64: string, indent = '') => (base64.match(/.{1,64}/g) ?? []).map((line) => `${indent}${line}`).join('\n');
const keyInfo = (...certificates: string[]) =>
  `<KeyInfo xmlns="http://www.w3.org/2000/09/xmldsig#"><X509Data>${certificates.map((one) => `<X509Certificate>${one}</X509Certificate>`).join('')}</X509Data></KeyInfo>`;
const signing = (...certificates: string[]) => `<KeyDescriptor use="signing">${keyInfo(...certificates)}</KeyDescriptor>`;
const service = (kind: string, binding: string, location: string, more = '') =>
  `<${kind} Binding="${BINDINGS}:${binding}" Location="${location}"${more}/>`;
const sso = (location = 'https://idp.example.com/sso', binding = 'HTTP-Redirect') => service('SingleSignOnService', binding, location);
const idp = (content = signing(A) + sso(), attributes = '') =>
  `<IDPSSODescriptor protocolSupportEnumeration="${SAML2}"${attributes}>${content}</IDPSSODescriptor>`;
const entity = (content = idp(), id = 'https://idp.example.com', attributes = '') =>
  `<EntityDescriptor xmlns="${MD}" entityID="${id}"${attributes}>${content}</EntityDescriptor>`;
const entities = (content: string, attributes = '') => `<EntitiesDescriptor xmlns="${MD}"${attributes}>${content}</EntitiesDescriptor>`;

const read = (input: Uint8Array | string, entityId?: string) => readIdpMetadata(input, { nowMs: NOW, entityId });
const derOf = (result: ReturnType<typeof read>) => result.metadata.signingCertificates.map((one) => one.derBase64);
const codesOf = (warnings: readonly { code: string }[]) => warnings.map(({ code }) => code);
const codes = (xml: string, nowMs = NOW) => codesOf(lintIdpMetadata(read(xml).metadata, nowMs));

function refusal(act: () => unknown, code: ErrorCode = 'idp_metadata_invalid'): string {
  try {
    act();
  } catch (error) {
    if (error instanceof GatewayError && error.code === code) return error.facts.detail ?? error.textFor('user').advice;
    throw error;
  }
  throw new Error('nothing was thrown');
}

describe('readIdpMetadata(): metadata of known identity providers', () => {
  it('reads Okta: one certificate, HTTP-POST and HTTP-Redirect, unsigned requests, no single logout', () => {
    const xml = `<?xml version="1.0" encoding="UTF-8"?><md:EntityDescriptor entityID="http://www.okta.com/exk1a2b3c4" xmlns:md="${MD}"><md:IDPSSODescriptor WantAuthnRequestsSigned="false" protocolSupportEnumeration="${SAML2}"><md:KeyDescriptor use="signing"><ds:KeyInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:X509Data><ds:X509Certificate>${lines(A)}</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor><md:NameIDFormat>urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified</md:NameIDFormat><md:NameIDFormat>urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress</md:NameIDFormat><md:SingleSignOnService Binding="${BINDINGS}:HTTP-POST" Location="https://acme.okta.com/app/acme_samlgate_1/exk1a2b3c4/sso/saml"/><md:SingleSignOnService Binding="${BINDINGS}:HTTP-Redirect" Location="https://acme.okta.com/app/acme_samlgate_1/exk1a2b3c4/sso/saml"/></md:IDPSSODescriptor></md:EntityDescriptor>`;
    const result = read(Buffer.from(xml));
    expect(result.metadata).toEqual({
      entityId: 'http://www.okta.com/exk1a2b3c4',
      singleSignOn: {
        redirect: 'https://acme.okta.com/app/acme_samlgate_1/exk1a2b3c4/sso/saml',
        post: 'https://acme.okta.com/app/acme_samlgate_1/exk1a2b3c4/sso/saml',
      },
      singleLogout: {},
      signingCertificates: [expect.objectContaining({ derBase64: A })],
      wantAuthnRequestsSigned: false,
      nameIdFormats: ['urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified', 'urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress'],
    });
    expect(codesOf(result.warnings)).toEqual(['single_logout_missing']);
    expect(JSON.parse(JSON.stringify(result))).toEqual(result);
  });

  it('reads Entra ID: a byte order mark, a signature, three certificates, and ignored WS-Federation roles with more certificates', () => {
    const fed = (type: string) =>
      `<RoleDescriptor xsi:type="fed:${type}" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:fed="http://docs.oasis-open.org/wsfed/federation/200706" protocolSupportEnumeration="http://docs.oasis-open.org/wsfed/federation/200706">${signing(WEAK)}${signing(ED25519)}<fed:ClaimTypesOffered><auth:ClaimType Uri="http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name" xmlns:auth="http://docs.oasis-open.org/wsfed/authorization/200706"><auth:DisplayName>Name</auth:DisplayName></auth:ClaimType></fed:ClaimTypesOffered></RoleDescriptor>`;
    const xml = `<?xml version="1.0" encoding="utf-8"?><EntityDescriptor ID="_3f1e" entityID="https://sts.windows.net/0a1b2c3d-1111-2222-3333-444455556666/" xmlns="${MD}"><Signature xmlns="http://www.w3.org/2000/09/xmldsig#"><SignedInfo/><SignatureValue>AA==</SignatureValue>${keyInfo(WEAK)}</Signature>${fed('SecurityTokenServiceType')}${fed('ApplicationServiceType')}${idp(
      `${signing(A)}${signing(B)}${signing(C)}${service('SingleLogoutService', 'HTTP-Redirect', 'https://login.microsoftonline.com/0a1b/saml2')}${sso('https://login.microsoftonline.com/0a1b/saml2')}${sso('https://login.microsoftonline.com/0a1b/saml2', 'HTTP-POST')}`,
    )}</EntityDescriptor>`;
    const result = read(Buffer.from(`\ufeff${xml}`));
    expect(result.metadata.entityId).toBe('https://sts.windows.net/0a1b2c3d-1111-2222-3333-444455556666/');
    expect(derOf(result)).toEqual([A, B, C]);
    expect(result.metadata.singleLogout).toEqual({ redirect: { location: 'https://login.microsoftonline.com/0a1b/saml2' } });
    expect(codesOf(result.warnings)).toEqual(['certificates_several']);
    expect(read(`\ufeff${xml}`)).toEqual(result);
  });

  it('reads Google: validUntil and a URL with a query', () => {
    const xml = `<?xml version="1.0" encoding="UTF-8" standalone="no"?>\n<md:EntityDescriptor xmlns:md="${MD}" entityID="https://accounts.google.com/o/saml2?idpid=C01abc234" validUntil="${iso(900)}">\n  <md:IDPSSODescriptor WantAuthnRequestsSigned="false" protocolSupportEnumeration="${SAML2}">\n    <md:KeyDescriptor use="signing">\n      <ds:KeyInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#">\n        <ds:X509Data>\n          <ds:X509Certificate>${lines(B)}</ds:X509Certificate>\n        </ds:X509Data>\n      </ds:KeyInfo>\n    </md:KeyDescriptor>\n    <md:NameIDFormat>urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress</md:NameIDFormat>\n    <md:SingleSignOnService Binding="${BINDINGS}:HTTP-Redirect" Location="https://accounts.google.com/o/saml2/idp?idpid=C01abc234"/>\n    <md:SingleSignOnService Binding="${BINDINGS}:HTTP-POST" Location="https://accounts.google.com/o/saml2/idp?idpid=C01abc234"/>\n  </md:IDPSSODescriptor>\n</md:EntityDescriptor>\n`;
    const { metadata } = read(xml);
    expect(metadata.entityId).toBe('https://accounts.google.com/o/saml2?idpid=C01abc234');
    expect(metadata.validUntil).toBe(iso(900));
    expect(metadata.singleSignOn.redirect).toBe('https://accounts.google.com/o/saml2/idp?idpid=C01abc234');
  });

  it('reads ADFS: only the signing keys of the IdP role, beside an SP role, encryption keys and Artifact endpoints', () => {
    const encryption = `<KeyDescriptor use="encryption">${keyInfo(C)}</KeyDescriptor>`;
    const sp = `<SPSSODescriptor WantAssertionsSigned="true" protocolSupportEnumeration="${SAML2}">${encryption}${signing(EC)}${service('AssertionConsumerService', 'HTTP-POST', 'https://adfs.example.com/adfs/ls/', ' index="0"')}</SPSSODescriptor>`;
    const own = idp(
      `${encryption}${signing(A)}${signing(B)}${service('ArtifactResolutionService', 'SOAP', 'https://adfs.example.com/adfs/services/trust/artifactresolution', ' index="0"')}${service('SingleLogoutService', 'HTTP-Redirect', 'https://adfs.example.com/adfs/ls/')}${service('SingleLogoutService', 'HTTP-POST', 'https://adfs.example.com/adfs/ls/')}<NameIDFormat>urn:oasis:names:tc:SAML:2.0:nameid-format:transient</NameIDFormat><NameIDFormat>urn:oasis:names:tc:SAML:2.0:nameid-format:persistent</NameIDFormat>${service('SingleSignOnService', 'SOAP', 'not read')}${sso('https://adfs.example.com/adfs/ls/')}${sso('https://adfs.example.com/adfs/ls/', 'HTTP-POST')}`,
    );
    const result = read(entity(sp + own, 'http://adfs.example.com/adfs/services/trust'));
    expect(derOf(result)).toEqual([A, B]);
    expect(result.metadata.singleLogout.post).toEqual({ location: 'https://adfs.example.com/adfs/ls/' });
  });

  it('reads Keycloak: an EntitiesDescriptor around the entity, a KeyName beside the certificate, signed requests required', () => {
    const key = `<KeyDescriptor use="signing"><ds:KeyInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:KeyName>FJ86GcF3jTbNLOco4NvZkUCIUmfYCqoqtOQeMfbhNlE</ds:KeyName><ds:X509Data><ds:X509Certificate>${A}</ds:X509Certificate></ds:X509Data></ds:KeyInfo></KeyDescriptor>`;
    const logout = service(
      'SingleLogoutService',
      'HTTP-POST',
      'https://kc.example.com/realms/acme/protocol/saml',
      ' ResponseLocation="https://kc.example.com/answers"',
    );
    const xml = entities(entity(idp(key + logout + sso(), ' WantAuthnRequestsSigned="true"')), ' Name="urn:keycloak"');
    const result = read(xml);
    expect(result.metadata.wantAuthnRequestsSigned).toBe(true);
    expect(result.metadata.singleLogout).toEqual({
      post: { location: 'https://kc.example.com/realms/acme/protocol/saml', responseLocation: 'https://kc.example.com/answers' },
    });
    expect(codesOf(result.warnings)).toEqual(['requests_signed']);
  });

  it('reads SimpleSAMLphp: one certificate for both uses, only transient NameIDs', () => {
    const keys = `${signing(A)}<md:KeyDescriptor xmlns:md="${MD}" use="encryption">${keyInfo(A)}</md:KeyDescriptor>`;
    const xml = entity(
      idp(
        `${keys}<NameIDFormat>urn:oasis:names:tc:SAML:2.0:nameid-format:transient</NameIDFormat>${sso('http://localhost:8081/simplesaml/module.php/saml/idp/singleSignOnService')}`,
      ),
    );
    const result = read(xml);
    expect(derOf(result)).toEqual([A]);
    expect(codesOf(result.warnings)).toEqual(['name_id_transient_only', 'single_logout_missing']);
  });

  it('reads Shibboleth: comments, Extensions, a key without use, an indented certificate, SAML 1.1 beside 2.0', () => {
    const xml = `<?xml version="1.0" encoding="UTF-8"?>\n<!-- This is example metadata only. -->\n${entity(
      `<Extensions><shibmd:Scope xmlns:shibmd="urn:mace:shibboleth:metadata:1.0" regexp="false">example.org</shibmd:Scope></Extensions><IDPSSODescriptor protocolSupportEnumeration="${SAML2}\n urn:oasis:names:tc:SAML:1.1:protocol urn:mace:shibboleth:1.0"><KeyDescriptor><ds:KeyInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:X509Data><ds:X509Certificate>\n${lines(A, '\t\t        ')}<!-- end -->\n\t\t</ds:X509Certificate></ds:X509Data></ds:KeyInfo></KeyDescriptor>${signing(B)}<SingleSignOnService Binding="urn:mace:shibboleth:1.0:profiles:AuthnRequest" Location="https://idp.example.org/idp/profile/Shibboleth/SSO"/>${sso('https://idp.example.org/idp/profile/SAML2/POST/SSO', 'HTTP-POST')}</IDPSSODescriptor><AttributeAuthorityDescriptor protocolSupportEnumeration="${SAML2}">${signing(C)}</AttributeAuthorityDescriptor>`,
      'https://idp.example.org/idp/shibboleth',
    )}`;
    const result = read(xml);
    expect(derOf(result)).toEqual([A, B]);
    expect(result.metadata.singleSignOn).toEqual({ post: 'https://idp.example.org/idp/profile/SAML2/POST/SSO' });
  });
});

describe('readIdpMetadata(): other files', () => {
  const sp = createSpMetadata({
    entityId: 'https://sp.example.com',
    acsUrl: 'https://sp.example.com/acs',
    sloUrl: 'https://sp.example.com/slo',
    certificates: [A],
    wantAssertionsSigned: true,
    authnRequestsSigned: false,
    nameIdFormats: [],
  });
  const privateKey = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;

  it.each<[string, Uint8Array | string, RegExp]>([
    ['an empty file', new Uint8Array(), /empty/],
    ['a byte order mark alone', Buffer.from('\ufeff\r\n'), /empty/],
    ['nothing but an XML declaration and a comment', '<?xml version="1.0"?><!-- x -->', /empty/],
    ['a web page', '\n<!DOCTYPE html>\n<html><body>Sign in</body></html>', /web page/],
    ['a web page in old spelling', '<HTML lang="en"><title>Sign in</title>', /web page/],
    ['a web page after comments', '<!-- Copyright (C) Microsoft Corporation. -->\n<!-- -->\n<!DOCTYPE html><html/>', /web page/],
    ['XHTML', '<?xml version="1.0"?><!DOCTYPE  html PUBLIC "-//W3C//DTD XHTML 1.0 Strict//EN" "x"><html/>', /web page/],
    ['JSON', '{"issuer":"https://idp.example.com"}', /JSON.*OpenID Connect/],
    ['a JSON list', '[]', /JSON/],
    ['a certificate (PEM)', `-----BEGIN CERTIFICATE-----\n${lines(A)}\n-----END CERTIFICATE-----\n`, /certificate, not metadata/],
    ['a certificate (base64)', lines(A), /certificate, not metadata/],
    ['a certificate (DER)', Buffer.from(A, 'base64'), /certificate, not metadata/],
    ['a private key', privateKey, /private key/],
    ['a URL', 'https://idp.example.com/metadata\n', /URL, not metadata/],
    ['a packed file', Buffer.from([0x50, 0x4b, 3, 4, 0xff, 0xfe]), /not UTF-8/],
    ['plain text', 'entityID: https://idp.example.com', /not XML/],
    ['the metadata of a service provider', sp, /metadata of a service provider/],
    ['a SAML message', '<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol"/>', /not SAML 2.0 metadata/],
    ['an EntityDescriptor of another namespace', entity().replace(MD, 'urn:other'), /not SAML 2.0 metadata/],
    ['an EntityDescriptor without namespace', '<EntityDescriptor entityID="x"/>', /not SAML 2.0 metadata/],
    ['an entity without roles', entity(''), /no identity provider/],
    ['an empty EntitiesDescriptor', entities(''), /no identity provider/],
    ['WS-Federation metadata', entity('<RoleDescriptor protocolSupportEnumeration="x"/>'), /WS-Federation/],
    [
      'an identity provider of SAML 1.1',
      entity(idp().replace(SAML2, 'urn:oasis:names:tc:SAML:1.1:protocol')),
      /only protocols older than SAML 2\.0/,
    ],
    [
      'an IDPSSODescriptor without protocols',
      entity(idp().replace('protocolSupportEnumeration', 'x')),
      /only protocols older than SAML 2\.0/,
    ],
  ])('names the mistake for %s', (_name, input, detail) => {
    expect(refusal(() => read(input))).toMatch(detail);
  });

  it('rejects more than 1 MiB, as octets and as text', () => {
    const large = ' '.repeat(1024 * 1024 + 1);
    expect(refusal(() => read(large), 'payload_too_large')).toMatch(/1 MiB/);
    expect(refusal(() => read(Buffer.from(large)), 'payload_too_large')).toMatch(/1 MiB/);
    expect(refusal(() => read('é'.repeat(512 * 1024 + 1)), 'payload_too_large')).toMatch(/1 MiB/);
    expect(refusal(() => read(large.slice(1)))).toMatch(/empty/);
  });
});

describe('readIdpMetadata(): XML that the parser rejects', () => {
  it.each<[string, string, RegExp]>([
    ['not well-formed', `${entity()}<x>`, /not well-formed \(line 1/],
    ['a document type declaration', `<!DOCTYPE EntityDescriptor [<!ENTITY e "x">]>${entity()}`, /document type declaration/],
    ['a processing instruction', `<?xml-model href="x"?>${entity()}`, /processing instruction/],
    ['nested too deeply', entity('<Extensions>'.repeat(60) + '</Extensions>'.repeat(60)), /nested too deeply/],
    ['too many elements', entity('<x/>'.repeat(12_001) + idp()), /too many elements/],
    ['a value with an element inside', entity(idp(signing(`${A}<x/>`) + sso())), /contains an element/],
    ['a federation of more elements than fit', entities(entity().repeat(11) + '<x/>'.repeat(12_000)), /whole federation/],
  ])('rejects XML that is or has: %s', (_name, xml, detail) => {
    expect(refusal(() => read(xml))).toMatch(detail);
  });
});

describe('readIdpMetadata(): several entities (saml-metadata §2.3.1)', () => {
  const idpOf = (id: string, one = A) => entity(idp(signing(one) + sso()), id);
  const three = entities(`${idpOf('urn:a')}${entities(idpOf('urn:b', B))}${entity('<SPSSODescriptor/>', 'urn:sp')}`);

  it('chooses the only identity provider', () => {
    expect(read(entities(`${entity('<SPSSODescriptor/>', 'urn:sp')}${entities(idpOf('urn:b', B))}`)).metadata.entityId).toBe('urn:b');
  });

  it('chooses by entity ID, also in a nested group', () => {
    expect(derOf(read(three, 'urn:a'))).toEqual([A]);
    expect(derOf(read(three, 'urn:b'))).toEqual([B]);
  });

  it('asks for an entity ID and lists the identity providers', () => {
    expect(refusal(() => read(three))).toMatch(/describes 2 identity providers.*\(entity_id\): urn:a, urn:b$/);
  });

  it.each([['urn:c'], ['urn:sp'], ['URN:A'], ['urn:a '], ['']])(
    'rejects an entity ID that the document does not describe: "%s"',
    (wanted) => {
      expect(refusal(() => read(three, wanted))).toMatch(/no identity provider with this entity ID\. It describes these: urn:a, urn:b$/);
      expect(refusal(() => read(idpOf('urn:a'), wanted))).toMatch(/no identity provider with this entity ID/);
    },
  );

  describe('that describe the same entity ID', () => {
    const dated = (one: string, days?: number) =>
      entity(idp(signing(one) + sso()), 'urn:a', days === undefined ? '' : ` validUntil="${iso(days)}"`);

    it.each<[string, string]>([
      ['the expired one is first', entities(dated(A, -1) + dated(B, 9))],
      ['the expired one is last', entities(dated(B) + dated(A, -1))],
      ['the group of one has expired', entities(entities(dated(A), ` validUntil="${iso(-1)}"`) + dated(B, 9))],
      ['the role of one has expired', entities(entity(idp(undefined, ` validUntil="${iso(-1)}"`), 'urn:a') + dated(B, 9))],
      ['the other has white space around its entity ID', entities(dated(B, 9) + dated(A, -1).replace('urn:a', ' urn:a&#10;'))],
    ])('chooses the only description that is valid if %s', (_name, xml) => {
      expect(derOf(read(xml))).toEqual([B]);
      expect(derOf(read(xml, 'urn:a'))).toEqual([B]);
    });

    it('explains that several descriptions are valid, and never combines their keys', () => {
      const twice = entities(dated(A, -1) + dated(B, 9) + dated(C));
      for (const id of [undefined, 'urn:a']) {
        expect(refusal(() => read(twice, id))).toMatch(/more than once, and 2 of the descriptions are valid now \(validUntil\)/);
        expect(refusal(() => read(entities(idpOf('urn:a') + idpOf('urn:a')), id))).toMatch(/more than once/);
      }
    });

    it('says that the metadata has expired if all descriptions have', () => {
      expect(refusal(() => read(entities(dated(A, -1) + dated(B, -2)), 'urn:a'))).toMatch(/has expired/);
    });

    it('rejects a validUntil that is not a date, because the wrong description could be chosen', () => {
      expect(refusal(() => read(entities(dated(A, 1).replace(/validUntil="[^"]+"/, 'validUntil="x"') + dated(B, -1))))).toMatch(
        /validUntil is not/,
      );
    });

    it('asks for an entity ID only if there are several', () => {
      const three = entities(dated(A, -1) + dated(B, 9) + idpOf('urn:b'));
      expect(refusal(() => read(three))).toMatch(/describes 2 identity providers.*: urn:a, urn:b$/);
      expect(derOf(read(three, 'urn:a'))).toEqual([B]);
    });
  });

  it('lists at most ten entity IDs, clipped, without markup and control characters', () => {
    const many = Array.from({ length: 12 }, (_, index) => idpOf(`n${index}`)).join('');
    expect(refusal(() => read(entities(many)))).toMatch(/: n0, n1, n2, n3, n4, n5, n6, n7, n8, n9, …$/);
    const nasty = entities(idpOf(`&lt;script>&amp;"'&#x202e;&#10;x${'y'.repeat(500)}`.replaceAll('"', '&quot;')) + idpOf('urn:b'));
    expect(refusal(() => read(nasty))).toMatch(/\(entity_id\): scriptxy{93}, urn:b$/);
  });

  it('finds entities only in the places that the schema allows', () => {
    expect(refusal(() => read(entity(`<Extensions>${idpOf('urn:hidden')}</Extensions>`)))).toMatch(/no identity provider/);
    expect(refusal(() => read(entity(`<Extensions>${idp()}</Extensions>`)))).toMatch(/no identity provider/);
  });

  it('rejects two IDPSSODescriptors of SAML 2.0 in one entity, and ignores one of SAML 1.1', () => {
    expect(refusal(() => read(entity(idp() + idp())))).toMatch(/several IDPSSODescriptors/);
    expect(derOf(read(entity(idp(signing(B) + sso()).replace(SAML2, 'urn:oasis:names:tc:SAML:1.1:protocol') + idp())))).toEqual([A]);
  });
});

describe('readIdpMetadata(): entity ID (saml-core §8.3.6)', () => {
  it.each<[string, string]>([
    ['that is a URL, without normalizing it', 'HTTPS://IdP.example.com:443/a/../b'],
    ['with spaces inside and letters beyond ASCII', 'Prüf IdP 1'],
    ['of 1024 characters', 'x'.repeat(1024)],
  ])('accepts an entity ID %s', (_name, id) => {
    expect(read(entity(idp(), id)).metadata.entityId).toBe(id);
  });

  it.each<[string, string, RegExp]>([
    ['that is empty', '', /missing/],
    ['of 1025 characters', 'x'.repeat(1025), /1024/],
    ['that is only white space', ' &#9;&#10;&#13; ', /missing/],
    ['with a no-break space before it', '&#160;x', /whitespace/],
    ['with an ideographic space after it', 'x&#x3000;', /whitespace/],
    ['with a line feed', 'x&#10;y', /control/],
    ['with a character that changes the text direction', 'x&#x202e;y', /control/],
  ])('rejects an entity ID %s', (_name, id, detail) => {
    expect(refusal(() => read(entity(idp(), id)))).toMatch(detail);
  });

  it('removes the white space of xs:anyURI around an entity ID', () => {
    const padded = entity(idp(), ' &#9;&#13;\n&#10;urn:a b&#10; ');
    expect(read(padded).metadata.entityId).toBe('urn:a b');
    expect(read(padded, 'urn:a b').metadata.entityId).toBe('urn:a b');
  });

  it('rejects an entity without entity ID', () => {
    expect(refusal(() => read(entity().replace('entityID', 'ID')))).toMatch(/missing/);
  });
});

describe('readIdpMetadata(): endpoints (saml-metadata §2.2.2)', () => {
  const withSso = (location: string) => read(entity(idp(signing(A) + sso(location)))).metadata.singleSignOn.redirect;

  it.each([
    ['https://idp.example.com'],
    ['https://IDP.example.com:8443/a/../b?x=1&amp;y=%20;z'],
    ['http://intranet/sso'],
    ['https://[2001:db8::1]/sso'],
    ['https://idp.example.com/@me?user=a@b'],
  ])('keeps the spelling of %s', (location) => {
    expect(withSso(location)).toBe(location.replaceAll('&amp;', '&'));
  });

  it('removes whitespace around a URL, as xs:anyURI does', () => {
    expect(withSso('&#10; https://idp.example.com/sso ')).toBe('https://idp.example.com/sso');
  });

  it.each<[string, string, RegExp]>([
    ['a relative URL', '/sso', /absolute/],
    ['no scheme', '//idp.example.com/sso', /absolute/],
    ['an empty text', '', /absolute/],
    ['javascript', 'javascript:alert(1)', /absolute/],
    ['data', 'data:text/html,x', /absolute/],
    ['ftp', 'ftp://idp.example.com', /absolute/],
    ['one slash', 'https:/idp.example.com', /absolute/],
    ['three slashes', 'https:///idp.example.com', /absolute/],
    ['a backslash', 'https://idp.example.com\\@evil.example', /absolute/],
    ['a tab inside the scheme', 'ht&#9;tps://idp.example.com', /absolute/],
    ['a line feed inside', 'https://idp.example.com/&#10;x', /absolute/],
    ['a space inside', 'https://idp.example.com/a b', /absolute/],
    ['a quotation mark', 'https://idp.example.com/&quot;x', /absolute/],
    ['markup', 'https://idp.example.com/&lt;x', /absolute/],
    ['letters beyond ASCII', 'https://idp.example.com/ü', /absolute/],
    ['an invalid host', 'https://idp..%00/', /absolute/],
    ['an invalid port', 'https://idp.example.com:99999/', /absolute/],
    ['a user name', 'https://user@idp.example.com/', /user name/],
    ['a user name and a password', 'https://a:b@idp.example.com', /user name/],
    ['a second host that looks like a user name', 'https://idp.example.com@evil.example?x', /user name/],
    ['a fragment', 'https://idp.example.com/#x', /fragment/],
    ['an empty fragment', 'https://idp.example.com/#', /fragment/],
    ['more than 2048 characters', `https://idp.example.com/${'x'.repeat(2048)}`, /2048/],
  ])('rejects a URL that is or has: %s', (_name, location, detail) => {
    expect(refusal(() => withSso(location))).toMatch(detail);
  });

  it('ignores a logout endpoint with an invalid URL, with a warning', () => {
    const withLogout = (attributes: string) =>
      read(entity(idp(`${signing(A)}${sso()}<SingleLogoutService Binding="${BINDINGS}:HTTP-POST" ${attributes}/>`)));
    for (const attributes of ['Location="javascript:x"', 'Location=""', '', 'Location="https://idp.example.com" ResponseLocation="x"']) {
      const { metadata, warnings } = withLogout(attributes);
      expect(metadata.singleLogout).toEqual({});
      expect(codesOf(warnings)).toEqual(['single_logout_missing', 'slo_url_invalid']);
    }
    expect(withLogout('Location="javascript:x"').warnings[1]?.text).toMatch(/SingleLogoutService must be an absolute/);
    expect(withLogout('Location="https://idp.example.com" ResponseLocation="x"').warnings[1]?.text).toMatch(/ResponseLocation/);
  });

  it('uses the next valid endpoint of a binding, and warns about the invalid one', () => {
    const both = `${sso('javascript:x')}${sso('https://two.example')}${sso('', 'HTTP-POST')}`;
    const { metadata, warnings } = read(entity(idp(signing(A) + both)));
    expect(metadata.singleSignOn).toEqual({ redirect: 'https://two.example' });
    expect(codesOf(warnings)).toEqual(['single_logout_missing', 'sso_url_invalid']);
    expect(refusal(() => read(entity(idp(signing(A) + sso('javascript:x') + sso('', 'HTTP-POST')))))).toMatch(/must be an absolute/);
  });

  it('reads the first endpoint of each supported binding', () => {
    const several = `${service('SingleSignOnService', 'HTTP-Artifact', 'x')}${sso('https://one.example')}${sso('https://two.example')}`;
    expect(read(entity(idp(signing(A) + several))).metadata.singleSignOn).toEqual({ redirect: 'https://one.example' });
  });

  it('rejects metadata without an endpoint for browsers', () => {
    expect(refusal(() => read(entity(idp(signing(A)))))).toMatch(/no SingleSignOnService/);
    expect(refusal(() => read(entity(idp(signing(A) + sso('https://idp.example.com', 'SOAP')))))).toMatch(/no SingleSignOnService/);
    expect(refusal(() => read(entity(idp(signing(A) + sso().replace('<Single', '<Single xmlns="urn:x" '))))).length).toBeGreaterThan(0);
  });
});

describe('readIdpMetadata(): signing keys (saml-metadata §2.4.1.1)', () => {
  const withKeys = (keys: string) => read(entity(idp(keys + sso())));
  const keyDescriptor = (content: string) =>
    `<KeyDescriptor use="signing"><ds:KeyInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#">${content}</ds:KeyInfo></KeyDescriptor>`;
  const KEY_VALUE =
    '<ds:KeyValue><ds:RSAKeyValue><ds:Modulus>AQAB</ds:Modulus><ds:Exponent>AQAB</ds:Exponent></ds:RSAKeyValue></ds:KeyValue>';

  it('reads each certificate once, in the order of the document', () => {
    expect(derOf(withKeys(signing(B) + signing(A) + signing(lines(B)) + signing(C)))).toEqual([B, A, C]);
  });

  it('reads several self-signed certificates of one KeyDescriptor', () => {
    expect(derOf(withKeys(signing(A, B)))).toEqual([A, B]);
    expect(
      derOf(
        withKeys(keyDescriptor([A, B].map((one) => `<ds:X509Data><ds:X509Certificate>${one}</ds:X509Certificate></ds:X509Data>`).join(''))),
      ),
    ).toEqual([A, B]);
  });

  it('ignores the issuers in a chain with a warning', () => {
    const result = withKeys(signing(LEAF_SIGNED_BY_A, A));
    expect(derOf(result)).toEqual([LEAF_SIGNED_BY_A]);
    expect(codesOf(result.warnings)).toContain('certificate_chain_ignored');
    expect(codesOf(withKeys(signing(A, A)).warnings)).not.toContain('certificate_chain_ignored');
  });

  it('keeps an issuer that has a KeyDescriptor of its own', () => {
    expect(derOf(withKeys(signing(LEAF_SIGNED_BY_A) + signing(A)))).toEqual([LEAF_SIGNED_BY_A, A]);
  });

  it('ignores encryption keys and keys of an unknown use', () => {
    const other = (use: string) => signing(B).replace('use="signing"', `use="${use}"`);
    expect(derOf(withKeys(signing(A) + other('encryption') + other('Signing') + other('')))).toEqual([A]);
    expect(refusal(() => withKeys(other('encryption')))).toMatch(/no signing certificate/);
  });

  it('finds certificates only in the places that the schema allows', () => {
    expect(refusal(() => withKeys(`<Extensions>${signing(A)}</Extensions>`))).toMatch(/no signing certificate/);
    expect(refusal(() => withKeys(keyDescriptor(`<ds:X509Certificate>${A}</ds:X509Certificate>`)))).toMatch(/bare key/);
    expect(
      refusal(() =>
        withKeys(`<KeyDescriptor use="signing">${keyInfo(A).replace('http://www.w3.org/2000/09/xmldsig#', 'urn:x')}</KeyDescriptor>`),
      ),
    ).toMatch(/bare key/);
  });

  it('rejects a KeyValue or KeyName alone, and warns about one beside certificates', () => {
    expect(refusal(() => withKeys(keyDescriptor(KEY_VALUE)))).toMatch(/bare key or a key name/);
    expect(refusal(() => withKeys(keyDescriptor('<ds:KeyName>x</ds:KeyName>')))).toMatch(/bare key or a key name/);
    const both = withKeys(keyDescriptor(KEY_VALUE) + signing(A));
    expect(derOf(both)).toEqual([A]);
    expect(codesOf(both.warnings)).toContain('key_without_certificate');
  });

  it('ignores a KeyDescriptor with an unreadable certificate, and names the number of the certificate', () => {
    for (const text of ['AAAA', '', 'x', LEAF_SIGNED_BY_A.slice(0, 400), `${A}${B}`, '-----BEGIN CERTIFICATE-----']) {
      const result = withKeys(signing(A) + signing(text) + signing(B));
      expect(derOf(result)).toEqual([A, B]);
      expect(result.warnings.find(({ code }) => code === 'certificate_unreadable')?.text).toMatch(
        /^Signing certificate number 2 .*ignored\./,
      );
      expect(lintIdpMetadata(result.metadata, NOW)).toEqual(result.warnings);
    }
  });

  it('reads PEM text in an X509Certificate, also a whole chain', () => {
    const pem = (one: string, explanation = '') => `${explanation}-----BEGIN CERTIFICATE-----\n${lines(one)}\n-----END CERTIFICATE-----\n`;
    expect(derOf(withKeys(signing(pem(A, 'subject=CN = a\n'))))).toEqual([A]);
    const chain = withKeys(signing(pem(LEAF_SIGNED_BY_A) + pem(A)));
    expect(derOf(chain)).toEqual([LEAF_SIGNED_BY_A]);
    expect(codesOf(chain.warnings)).toContain('certificate_chain_ignored');
    expect(refusal(() => withKeys(signing(pem(A).repeat(21))))).toMatch(/more than 20/);
  });

  it('never trusts the issuer of an unreadable certificate', () => {
    const chain = signing(LEAF_SIGNED_BY_A.slice(0, 400), A);
    expect(derOf(withKeys(chain + signing(B)))).toEqual([B]);
    expect(refusal(() => withKeys(chain))).toMatch(/^Signing certificate number 1 is invalid\. /);
    expect(refusal(() => withKeys(signing(A, '')))).toMatch(/number 2 is invalid\. .*empty/);
  });

  it('rejects metadata without a readable certificate, and metadata that contains a private key', () => {
    expect(refusal(() => withKeys(signing('') + signing('AAAA')))).toMatch(/^Signing certificate number 1 is invalid\. .*empty/);
    const key = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
    expect(refusal(() => withKeys(signing(A) + signing(key)))).toMatch(/private key/);
  });

  it('counts unreadable certificates for the limit', () => {
    expect(derOf(withKeys(signing(A) + signing('x').repeat(19)))).toEqual([A]);
    expect(refusal(() => withKeys(signing(A) + signing('x').repeat(20)))).toMatch(/more than 20/);
  });

  it('trusts a key without use beside keys for encryption', () => {
    const encryption = signing(C).replace('use="signing"', 'use="encryption"');
    expect(derOf(withKeys(`<KeyDescriptor>${keyInfo(A)}</KeyDescriptor>${encryption}`))).toEqual([A]);
  });

  it('rejects two KeyInfo elements in one KeyDescriptor, and more than 20 certificates', () => {
    expect(refusal(() => withKeys(`<KeyDescriptor>${keyInfo(A)}${keyInfo(B)}</KeyDescriptor>`))).toMatch(/several KeyInfo/);
    expect(derOf(withKeys(signing(A).repeat(20)))).toEqual([A]);
    expect(refusal(() => withKeys(signing(A).repeat(21)))).toMatch(/more than 20/);
  });

  it('rejects metadata if sign-in accepts none of its keys', () => {
    for (const keys of [signing(WEAK), signing(ED25519), signing(WEAK) + signing(ED25519)]) {
      expect(refusal(() => withKeys(keys))).toMatch(/No signing certificate has an accepted key/);
    }
    expect(derOf(withKeys(signing(EC)))).toEqual([EC]);
  });
});

describe('readIdpMetadata(): validUntil, WantAuthnRequestsSigned, NameIDFormat', () => {
  const valid = (text: string) => read(entity(idp(), 'urn:a', ` validUntil="${text}"`)).metadata.validUntil;

  it('converts validUntil to UTC', () => {
    expect(valid('2999-01-01T01:30:00+01:30')).toBe('2999-01-01T00:00:00.000Z');
  });

  it('uses the earliest validUntil of the role, the entity and the groups around them', () => {
    const nested = (a: number, b: number, c: number, d: number) =>
      entities(
        entities(entity(idp(undefined, ` validUntil="${iso(a)}"`), 'urn:a', ` validUntil="${iso(b)}"`), ` validUntil="${iso(c)}"`),
        ` validUntil="${iso(d)}"`,
      );
    const orders: [number, number, number, number][] = [
      [1, 2, 3, 4],
      [2, 1, 3, 4],
      [2, 3, 1, 4],
      [2, 3, 4, 1],
    ];
    for (const days of orders) {
      expect(read(nested(...days)).metadata.validUntil).toBe(iso(1));
    }
    expect(refusal(() => read(nested(2, 3, 4, -1)))).toMatch(/was valid until/);
  });

  it('rejects metadata that has expired, with its date', () => {
    expect(refusal(() => valid('2020-02-03T00:00:00Z'))).toMatch(/valid until 2020-02-03T00:00:00.000Z and has expired/);
    expect(refusal(() => valid(iso(0)))).toMatch(/valid until/);
    expect(valid(new Date(NOW + 1).toISOString())).toBe(new Date(NOW + 1).toISOString());
  });

  it.each([['2999-01-01T00:00:00'], ['2999-02-30T00:00:00Z'], ['2999-01-01'], ['tomorrow'], [''], ['1 Jan 2999 00:00:00 GMT']])(
    'rejects validUntil="%s"',
    (text) => {
      expect(refusal(() => valid(text))).toMatch(/xs:dateTime/);
    },
  );

  it.each<[string, boolean]>([
    ['true', true],
    ['1', true],
    [' true ', true],
    ['false', false],
    ['0', false],
  ])('reads WantAuthnRequestsSigned="%s"', (text, wanted) => {
    expect(read(entity(idp(undefined, ` WantAuthnRequestsSigned="${text}"`))).metadata.wantAuthnRequestsSigned).toBe(wanted);
  });

  it.each<[string, boolean]>([
    ['True', true],
    ['TRUE', true],
    ['yes', true],
    ['False', false],
    ['', false],
  ])('reads WantAuthnRequestsSigned="%s" with a warning', (text, wanted) => {
    const { metadata, warnings } = read(entity(idp(undefined, ` WantAuthnRequestsSigned="${text}"`)));
    expect(metadata.wantAuthnRequestsSigned).toBe(wanted);
    expect(codesOf(warnings)).toContain('want_authn_requests_signed_invalid');
  });

  it('reads each NameIDFormat once, ignores one that is not a URI with a warning, and rejects more than 32', () => {
    const formats = (...texts: string[]) =>
      read(entity(idp(signing(A) + texts.map((text) => `<NameIDFormat>${text}</NameIDFormat>`).join('') + sso()))).metadata.nameIdFormats;
    expect(formats(' urn:a\n', 'urn:b', 'urn:a')).toEqual(['urn:a', 'urn:b']);
    for (const text of ['', 'a b', 'ü', 'x'.repeat(257)]) {
      expect(formats('urn:a', text)).toEqual(['urn:a']);
      expect(codes(entity(idp(`${signing(A)}<NameIDFormat>${text}</NameIDFormat>${sso()}`)))).toContain('name_id_format_invalid');
    }
    expect(refusal(() => formats(...Array<string>(33).fill('urn:a')))).toMatch(/more than 32/);
  });
});

describe('readManualIdp()', () => {
  const values: ManualIdp = { entity_id: 'https://idp.example.com', sso_url: 'https://idp.example.com/sso', certificates: [A, lines(B)] };

  it('returns the same metadata from values that were entered manually', () => {
    const { metadata, warnings } = readManualIdp({ ...values, slo_url: 'https://idp.example.com/slo' }, NOW);
    expect(metadata).toEqual({
      entityId: 'https://idp.example.com',
      singleSignOn: { redirect: 'https://idp.example.com/sso' },
      singleLogout: { redirect: { location: 'https://idp.example.com/slo' } },
      signingCertificates: [expect.objectContaining({ derBase64: A }), expect.objectContaining({ derBase64: B })],
      wantAuthnRequestsSigned: false,
      nameIdFormats: [],
    });
    expect(codesOf(warnings)).toEqual(['certificates_several']);
    expect(codesOf(readManualIdp(values, NOW).warnings)).toContain('single_logout_missing');
  });

  it('trusts only the signing certificate of a pasted chain', () => {
    const pem = (one: string) => `-----BEGIN CERTIFICATE-----\n${lines(one)}\n-----END CERTIFICATE-----\n`;
    const certificates = (...texts: string[]) => {
      const { metadata, warnings } = readManualIdp({ ...values, certificates: texts }, NOW);
      return [metadata.signingCertificates.map(({ derBase64 }) => derBase64), codesOf(warnings).includes('certificate_chain_ignored')];
    };
    expect(certificates(pem(LEAF_SIGNED_BY_A) + pem(A))).toEqual([[LEAF_SIGNED_BY_A], true]);
    expect(certificates(pem(B) + pem(C) + pem(B))).toEqual([[B, C], false]);
    expect(certificates(LEAF_SIGNED_BY_A, A)).toEqual([[LEAF_SIGNED_BY_A, A], false]);
  });

  it('removes the white space of xs:anyURI around the entity ID', () => {
    expect(readManualIdp({ ...values, entity_id: '\turn:a\r\n' }, NOW).metadata.entityId).toBe('urn:a');
  });

  it.each<[string, Partial<ManualIdp>, RegExp]>([
    ['an empty entity_id', { entity_id: '' }, /^entity_id is missing/],
    ['an entity_id with a no-break space around it', { entity_id: 'x\u00a0' }, /^entity_id/],
    ['an invalid sso_url', { sso_url: 'idp.example.com' }, /^sso_url must/],
    ['an invalid slo_url', { slo_url: 'javascript:x' }, /^slo_url must/],
    ['no certificate', { certificates: [] }, /no signing certificate/],
    ['an invalid certificate', { certificates: [A, 'x'] }, /number 2/],
    ['too many certificates', { certificates: Array<string>(21).fill(A) }, /more than 20/],
    ['only a weak key', { certificates: [WEAK] }, /No signing certificate has an accepted key/],
  ])('rejects %s', (_name, change, detail) => {
    expect(refusal(() => readManualIdp({ ...values, ...change }, NOW))).toMatch(detail);
  });
});

describe('lintIdpMetadata()', () => {
  const logout = service('SingleLogoutService', 'HTTP-Redirect', 'https://idp.example.com/slo');
  const quiet = entity(idp(signing(A) + logout + sso()));
  const end = Date.parse(read(quiet).metadata.signingCertificates[0]?.notAfter ?? '');
  const start = Date.parse(read(quiet).metadata.signingCertificates[0]?.notBefore ?? '');
  const textAt = (nowMs: number) => lintIdpMetadata(read(quiet).metadata, nowMs)[0]?.text;

  it('returns no warning for flawless metadata', () => {
    expect(read(quiet).warnings).toEqual([]);
  });

  it('warns about a certificate from 60 days before it expires', () => {
    expect(codes(quiet, end - 61 * DAY)).toEqual([]);
    expect(codes(quiet, end - 61 * DAY + 1)).toEqual(['certificate_expires_soon']);
    expect(textAt(end - 5 * DAY)).toMatch(
      new RegExp(
        `^The signing certificate (?:[0-9A-F]{2}:){7}[0-9A-F]{2}… expires on ${new Date(end).toISOString().slice(0, 10)} \\(in 5 days\\)`,
      ),
    );
    expect(textAt(end - DAY)).toMatch(/in 1 day\)/);
    expect(textAt(end - 1)).toMatch(/within a day/);
  });

  it('warns about a certificate that has expired or is not valid yet', () => {
    expect(codes(quiet, end)).toEqual(['certificate_expired']);
    expect(codes(quiet, end + 999 * DAY)).toEqual(['certificate_expired']);
    expect(codes(quiet, start - 1)).toEqual(['certificate_not_yet_valid']);
    expect(codes(quiet, start)).toEqual([]);
  });

  it('warns about keys that sign-in does not accept', () => {
    expect(codes(entity(idp(signing(A) + signing(WEAK) + logout + sso())))).toEqual(['certificate_key_weak', 'certificates_several']);
    expect(codes(entity(idp(signing(A) + signing(ED25519) + logout + sso())))).toEqual([
      'certificate_key_unsupported',
      'certificates_several',
    ]);
    expect(codes(entity(idp(signing(EC) + logout + sso())))).toEqual([]);
  });

  it('warns about plain http, except on the local computer', () => {
    const plain = (kind: string, host: string, more = '') => service(kind, 'HTTP-POST', `http://${host}/x`, more);
    for (const [host, is] of [
      ['idp.example.com', true],
      ['10.0.0.1', true],
      ['localhost.example.com', true],
      ['localhost:8080', false],
      ['idp.localhost', false],
      ['127.0.0.9', false],
      ['[::1]:80', false],
    ] as const) {
      expect(codes(entity(idp(signing(A) + logout + sso() + plain('SingleSignOnService', host))))).toEqual(
        is ? ['sso_url_plain_http'] : [],
      );
      expect(codes(entity(idp(signing(A) + plain('SingleLogoutService', host) + sso())))).toEqual(is ? ['slo_url_plain_http'] : []);
    }
    const answers = service('SingleLogoutService', 'HTTP-POST', 'https://idp.example.com', ' ResponseLocation="http://idp.example.com"');
    expect(codes(entity(idp(signing(A) + answers + sso())))).toEqual(['slo_url_plain_http']);
  });

  it('warns about metadata that expires within 14 days, and about stored metadata that has expired', () => {
    const until = entity(idp(signing(A) + logout + sso()), 'urn:a', ` validUntil="${iso(30)}"`);
    expect(codes(until, NOW + 15 * DAY)).toEqual([]);
    expect(codes(until, NOW + 15 * DAY + 1)).toEqual(['metadata_expires_soon']);
    expect(codes(until, NOW + 30 * DAY)).toEqual(['metadata_expired']);
  });

  it('warns about transient NameIDs only if there is no other format', () => {
    const formats = (...names: string[]) =>
      codes(
        entity(
          idp(
            `${signing(A)}${logout}${names.map((name) => `<NameIDFormat>urn:oasis:names:tc:SAML:2.0:nameid-format:${name}</NameIDFormat>`).join('')}${sso()}`,
          ),
        ),
      );
    expect(formats('transient')).toEqual(['name_id_transient_only']);
    expect(formats('transient', 'persistent')).toEqual([]);
  });

  it('marks warnings that need action by their level', () => {
    const levels = (xml: string) => Object.fromEntries(read(xml).warnings.map(({ code, level }) => [code, level]));
    expect(
      levels(
        entity(
          idp(signing(A) + signing(WEAK) + sso('http://idp.example.com'), ' WantAuthnRequestsSigned="1"'),
          'urn:a',
          ` validUntil="${iso(3)}"`,
        ),
      ),
    ).toEqual({
      metadata_expires_soon: 'warning',
      certificate_key_weak: 'warning',
      sso_url_plain_http: 'warning',
      certificates_several: 'info',
      requests_signed: 'info',
      single_logout_missing: 'info',
    });
  });
});

describe('isLoopbackHost()', () => {
  it.each<[string, boolean]>([
    ['localhost', true],
    ['LOCALHOST', true],
    ['localhost.', true],
    ['a.b.localhost', true],
    ['127.0.0.1', true],
    ['127.255.1.2', true],
    ['0x7f.1', true],
    ['2130706433', true],
    ['[::1]', true],
    ['[0:0:0:0:0:0:0:1]', true],
    ['localhost.example', false],
    ['notlocalhost', false],
    ['127.0.0.1.example.com', false],
    ['0.0.0.0', false],
    ['[::ffff:127.0.0.1]', false],
    ['[::]', false],
    ['128.0.0.1', false],
    ['10.0.0.1', false],
  ])('judges %s as %s', (host, expected) => {
    expect(isLoopbackHost(new URL(`http://${host}/`).hostname)).toBe(expected);
  });
});

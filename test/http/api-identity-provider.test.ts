import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { makeTestOrganization, OKTA_ISSUER, type TestOrganization } from '../support/identity-provider.ts';
import { callWithSession, type List, newSession, type Problem, verdictOf } from '../support/session-calls.ts';

let gateway: TestGateway;

beforeAll(async () => {
  gateway = await startGateway();
});
afterAll(() => gateway.stop());

const pathOf = ({ slug }: TestOrganization) => `/organizations/${slug}`;

describe('identity provider', () => {
  const put = (organization: TestOrganization, body: string | Uint8Array | FormData, type?: string, query = '') =>
    fetch(`${gateway.url}/api/v1${pathOf(organization)}/identity-provider${query}`, {
      method: 'PUT',
      headers: { authorization: `Bearer ${gateway.operatorToken}`, ...(type === undefined ? {} : { 'content-type': type }) },
      body: body as string,
    });

  it.each(['application/samlmetadata+xml', 'application/xml', 'text/xml; charset=utf-8'])('accepts a document as %s', async (type) => {
    const organization = await makeTestOrganization(gateway);
    const response = await put(organization, organization.metadata, type);
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({
      entity_id: OKTA_ISSUER,
      single_sign_on: { redirect: 'https://idp.example/sso', post: 'https://idp.example/sso' },
      certificates: [
        {
          fingerprint_sha256: expect.stringMatching(/^([0-9A-F]{2}:){31}[0-9A-F]{2}$/),
          key_type: 'rsa',
          key_bits: 2048,
          not_after: expect.any(String),
        },
      ],
      metadata_url: null,
      warnings: expect.any(Array),
      idp_initiated: 'accept',
      clock_skew_seconds: 180,
      sign_requests: null,
      service_provider: { acs_url: organization.acsUrl },
    });
  });

  it('decodes a document by its XML declaration, and text by its characters', async () => {
    const organization = await makeTestOrganization(gateway);
    const entityId = 'https://idp.example/prüfstelle';
    const xml = organization.metadata.replaceAll(OKTA_ISSUER, entityId).replace('encoding="UTF-8"', 'encoding="ISO-8859-1"');
    const form = new FormData();
    form.set('metadata', xml);
    const answers = [
      await put(organization, Buffer.from(xml, 'latin1'), 'application/xml'),
      await put(organization, Buffer.from(`\ufeff${xml}`, 'utf16le'), 'text/xml'),
      await put(organization, form),
      await put(organization, JSON.stringify({ metadata_xml: xml }), 'application/json'),
    ];
    for (const answer of answers) expect(await answer.json()).toMatchObject({ entity_id: entityId });
  });

  it('says that an empty document is empty', async () => {
    const organization = await makeTestOrganization(gateway);
    const form = new FormData();
    form.set('metadata', new File([], 'metadata.xml'));
    const answers = [
      await put(organization, '', 'application/xml'),
      await put(organization, Buffer.from('\ufeff \n', 'utf16le'), 'application/xml'),
      await put(organization, form),
      await put(organization, JSON.stringify({ metadata_xml: '' }), 'application/json'),
    ];
    for (const answer of answers) {
      const { code, detail } = (await answer.json()) as Problem;
      expect([answer.status, code, detail]).toEqual([400, 'idp_metadata_invalid', expect.stringMatching(/ is empty\./)]);
    }
  });

  it('accepts several PEM blocks in one certificate value', async () => {
    const organization = await makeTestOrganization(gateway);
    const { certificatePem } = (await makeTestOrganization(gateway)).key;
    const certificates = [`subject=CN = idp\n${organization.key.certificatePem}${certificatePem}`];
    const values = { entity_id: 'urn:idp', sso_url: 'https://idp.example/sso', certificates };
    const { status, body } = await gateway.api<{ certificates: unknown[] }>('PUT', `${pathOf(organization)}/identity-provider`, values);
    expect([status, body.certificates.length]).toEqual([200, 2]);
  });

  it('accepts a form with a file or text, JSON with a document, and JSON with values', async () => {
    const organization = await makeTestOrganization(gateway);
    const form = new FormData();
    form.set('metadata', new File([organization.metadata], 'metadata.xml', { type: 'text/xml' }));
    expect((await put(organization, form)).status).toBe(200);
    form.set('metadata', organization.metadata);
    expect((await put(organization, form)).status).toBe(200);
    expect((await gateway.api('PUT', `${pathOf(organization)}/identity-provider`, { metadata_xml: organization.metadata })).status).toBe(
      200,
    );
    const [, certificate = ''] = /X509Certificate>([^<]+)</.exec(organization.metadata) ?? [];
    const manual = { entity_id: 'https://idp.example/e', sso_url: 'https://idp.example/s', certificates: [certificate] };
    const { status, body } = await gateway.api('PUT', `${pathOf(organization)}/identity-provider`, manual);
    expect([status, body.entity_id]).toEqual([200, 'https://idp.example/e']);
  });

  it('needs an entity ID if the metadata describes several identity providers', async () => {
    const organization = await makeTestOrganization(gateway);
    const one = organization.metadata.replace(/^<\?xml[^>]*\?>\s*/, '');
    const two = one.replace(/entityID="[^"]+"/, 'entityID="https://second.example/"').replace(/ ID="[^"]+"/, '');
    const both = `<md:EntitiesDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata">${one}${two}</md:EntitiesDescriptor>`;
    const undecided = await put(organization, both, 'application/xml');
    expect([undecided.status, ((await undecided.json()) as Problem).code]).toEqual([400, 'idp_metadata_invalid']);
    const chosen = await put(organization, both, 'application/xml', '?entity_id=https%3A%2F%2Fsecond.example%2F');
    expect(((await chosen.json()) as { entity_id: string }).entity_id).toBe('https://second.example/');
    const unknown = await put(organization, both, 'application/xml', '?entity_id=nobody');
    expect(unknown.status).toBe(400);
  });

  it('rejects anything but metadata of an identity provider, and keeps the existing metadata', async () => {
    const organization = await makeTestOrganization(gateway);
    const serviceProvider = await (await fetch(`${gateway.url}/saml/${organization.slug}/metadata`)).text();
    for (const [body, type, status, code] of [
      [serviceProvider, 'application/xml', 400, 'idp_metadata_invalid'],
      ['<html>', 'application/xml', 400, 'idp_metadata_invalid'],
      ['', 'application/xml', 400, 'idp_metadata_invalid'],
      ['<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>', 'application/xml', 400, 'idp_metadata_invalid'],
      [`<a>${'x'.repeat(1024 * 1024)}</a>`, 'application/xml', 413, 'payload_too_large'],
      ['x'.repeat(1200 * 1024), 'application/xml', 413, 'payload_too_large'],
      ['metadata', 'text/plain', 400, 'validation_failed'],
      ['--x\r\nbroken', 'multipart/form-data; boundary=y', 400, 'validation_failed'],
      ['x', 'multipart/form-data', 400, 'validation_failed'],
      ['{"metadata_xml":', 'application/json', 400, 'validation_failed'],
      ['{}', 'application/json', 400, 'validation_failed'],
      ['{"metadata_url":"http://169.254.169.254/latest"}', 'application/json', 400, 'idp_metadata_invalid'],
      ['{"metadata_url":"file:///etc/passwd"}', 'application/json', 400, 'idp_metadata_invalid'],
      ['{"entity_id":"x","sso_url":"javascript:alert(1)","certificates":["x"]}', 'application/json', 400, 'idp_metadata_invalid'],
    ] as const) {
      const response = await put(organization, body, type);
      expect([type, body.slice(0, 60), response.status, ((await response.json()) as Problem).code]).toEqual([
        type,
        body.slice(0, 60),
        status,
        code,
      ]);
    }
    expect((await gateway.api('GET', `${pathOf(organization)}/identity-provider`)).body.entity_id).toBe(OKTA_ISSUER);
  });

  it('returns the result of a dry run without saving it', async () => {
    const organization = await makeTestOrganization(gateway);
    const metadata = organization.metadata.replace(/entityID="[^"]+"/, 'entityID="https://other.example/"');
    const dry = await put(organization, metadata, 'application/xml', '?dry_run=true');
    expect(((await dry.json()) as { entity_id: string }).entity_id).toBe('https://other.example/');
    expect((await gateway.api('GET', `${pathOf(organization)}/identity-provider`)).body.entity_id).toBe(OKTA_ISSUER);
  });

  it('changes single settings, validates them and keeps them with new metadata', async () => {
    const organization = await makeTestOrganization(gateway);
    const resource = `${pathOf(organization)}/identity-provider`;
    const changes = {
      idp_initiated: 'bounce',
      clock_skew_seconds: 60,
      attribute_mapping: { groups: ['teams'] },
      force_authn: true,
      authn_context: ['urn:x'],
    };
    expect((await gateway.api('PATCH', resource, changes)).body).toMatchObject(changes);
    await put(organization, organization.metadata, 'application/xml');
    expect((await gateway.api('GET', resource)).body).toMatchObject(changes);
    for (const wrong of [
      { idp_initiated: 'perhaps' },
      { clock_skew_seconds: 301 },
      { clock_skew_seconds: -1 },
      { clock_skew_seconds: 1.5 },
      { attribute_mapping: { groups: [] } },
      { attribute_mapping: { unknown: ['x'] } },
      { require_signed_assertion: 'yes' },
      { metadata_refresh_hours: 0 },
      { unknown: true },
    ]) {
      expect(verdictOf(await gateway.api('PATCH', resource, wrong))).toEqual([400, 'validation_failed']);
    }
    expect((await gateway.api('DELETE', resource)).status).toBe(204);
    expect(verdictOf(await gateway.api('PATCH', resource, { force_authn: true }))).toEqual([404, 'idp_not_configured']);
  });

  it('lets an owner change the own organization, and records the owner in the audit trail', async () => {
    const organization = await makeTestOrganization(gateway);
    const { browser, id } = await newSession(gateway, organization, 'olivia');
    expect(
      (await callWithSession(gateway, browser, 'PATCH', `${pathOf(organization)}/identity-provider`, { force_authn: true })).status,
    ).toBe(200);
    const { body } = await gateway.api<List<unknown>>('GET', `${pathOf(organization)}/audit?event=identity_provider.settings_changed`);
    expect(body.items).toMatchObject([{ event: 'identity_provider.settings_changed', actor: { kind: 'member', id } }]);
  });
});

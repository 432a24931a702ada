import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';
import type { IdpProduct, OwnValue, ProductTask } from '../src/console/setup-steps/idp-product.ts';
import { IDP_PRODUCTS } from '../src/console/setup-steps/idp-products.ts';
import { DEFAULT_ATTRIBUTE_MAPPING } from '../src/saml/response/attribute-mapping.ts';

const FOLDER = path.join(import.meta.dirname, '../config/idp-examples');
const products: readonly (readonly [string, IdpProduct])[] = Object.entries(IDP_PRODUCTS);

interface ExampleFile {
  readonly identity_provider: { readonly attribute_mapping?: { readonly groups?: readonly string[] } };
}

/** How the example files write the values of the organization. The address of its metadata is its entity ID. */
const OWN_VALUES: Readonly<Record<OwnValue, string>> = {
  acs: 'the ACS URL',
  entityId: 'the entity ID',
  metadata: 'the entity ID',
  login: '{SAMLGATE_BASE_URL}/saml/SLUG/login',
  logout: '{SAMLGATE_BASE_URL}/saml/SLUG/slo',
  scim: '',
  scimTenant: '',
};

/** Plain quotation marks differ from those of the console. */
const plain = (text: string): string => text.replaceAll(/[“”"]/g, '').replaceAll('’', "'").replaceAll('...', '…');

/** The lines `label  value` in the comments of an example file. Further advice may follow the value. */
const fieldLines = (file: string): string[][] =>
  plain(readFileSync(path.join(FOLDER, file), 'utf8'))
    .replaceAll(/(?<=\/saml\/)acme-\w+/g, 'SLUG')
    .split('\n')
    .map((line) => line.replace(/^# */, '').split(/ {2,}/));

/** Returns whether a text has the value up to its end, or up to the punctuation before further advice. */
const hasValue = (text: string, expected: string): boolean =>
  text.startsWith(expected) && /^(?:[;,]|[.:](?: |$)| [(>]|$)/.test(text.slice(expected.length));

describe('table of identity providers', () => {
  it('has one product for each example file', () => {
    const files = readdirSync(FOLDER).filter((name) => name.endsWith('.yaml'));
    expect(products.flatMap(([, { example }]) => example ?? []).sort()).toEqual(files.sort());
  });

  it.each(products.filter(([, { example }]) => example !== undefined))(
    'has the fields of %s with the same values as its example file',
    (_id, product) => {
      const lines = fieldLines(product.example ?? '');
      const fields = product.tasks.flatMap(({ fields: ofTask = [] }) => ofTask);
      const missing = fields.filter(({ label, value }) => {
        const expected = plain(typeof value === 'string' ? value : OWN_VALUES[value.own]);
        return !lines.some(([name, text]) => name === plain(label) && text !== undefined && hasValue(text, expected));
      });
      expect(missing).toEqual([]);
    },
  );

  it.each([
    ['google-workspace', 'App attribute'],
    ['keycloak', 'Group list, Group attribute name'],
  ] as const)('sends the groups of %s under a name that the gateway or the example file knows', (id, label) => {
    const { tasks } = IDP_PRODUCTS[id];
    const name = tasks.flatMap(({ fields = [] }: ProductTask) => fields).find((field) => field.label === label)?.value;
    const file = parse(readFileSync(path.join(FOLDER, `${id}.yaml`), 'utf8')) as ExampleFile;
    const mapped = file.identity_provider.attribute_mapping?.groups;
    expect(mapped ?? DEFAULT_ATTRIBUTE_MAPPING.groups).toContain(name);
  });

  it.each(products)('gives %s the values of the organization, or its metadata', (_id, { tasks }) => {
    const own = tasks.flatMap(({ fields = [] }) => fields.flatMap(({ value }) => (typeof value === 'string' ? [] : [value.own])));
    expect(own.includes('metadata') || (own.includes('acs') && own.includes('entityId'))).toBe(true);
  });

  it('gives Okta and Entra ID the values that provisioning needs', () => {
    const provisioned = products.filter(([, { provisioning }]) => provisioning);
    const own = provisioned.map(([id, { provisioning = [] }]) => {
      const values = provisioning.flatMap(({ fields = [] }) => fields.map(({ value }) => value));
      return [id, values.filter((value) => typeof value !== 'string' || value === 'the SCIM token')];
    });
    expect(own).toEqual([
      ['okta', [{ own: 'scim' }, 'the SCIM token']],
      ['entra-id', [{ own: 'scimTenant' }, 'the SCIM token']],
    ]);
  });

  it('has the steps of the vendors that administrators miss', () => {
    const { okta, 'google-workspace': google, 'entra-id': entra } = IDP_PRODUCTS;
    expect(okta.tasks.map(({ buttons }) => buttons?.at(-1))).toEqual(['Next', 'Next', 'Finish', 'Save', undefined]);
    expect(google.tasks.flatMap(({ fields = [] }) => fields.map(({ label }) => label))).toContain('Google groups');
    // The cards of Entra ID are numbered, so the tasks name them instead.
    expect(entra.tasks.map(({ title }) => title).join()).not.toMatch(/\d/);
  });
});

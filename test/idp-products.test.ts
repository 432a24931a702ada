import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from '@jest/globals';
import type { IdpProduct } from '../src/console/setup-steps/idp-product.ts';
import { IDP_PRODUCTS } from '../src/console/setup-steps/idp-products.ts';

const FOLDER = path.join(import.meta.dirname, '../config/idp-examples');
const products: readonly (readonly [string, IdpProduct])[] = Object.entries(IDP_PRODUCTS);

/** Comments of an example file as one line, with plain quotation marks. */
const exampleText = (file: string): string =>
  readFileSync(path.join(FOLDER, file), 'utf8')
    .replace(/^# ?/gm, '')
    .replaceAll(/[“”"]/g, '')
    .replaceAll('’', "'")
    .replaceAll('...', '…')
    .replace(/\s+/g, ' ');

/** The names that a label consists of, such as “Name “email”, Value”. */
const partsOf = (label: string): string[] =>
  label
    .replaceAll(/[“”]/g, '')
    .split(/, | \(or /)
    .map((part) => part.replace(/\)$/, ''));

describe('table of identity providers', () => {
  it('has one product for each example file', () => {
    const files = readdirSync(FOLDER).filter((name) => name.endsWith('.yaml'));
    expect(products.flatMap(([, { example }]) => example ?? []).sort()).toEqual(files.sort());
  });

  it.each(products.filter(([, { example }]) => example !== undefined))(
    'names the fields of %s as its example file does',
    (_id, product) => {
      const text = exampleText(product.example ?? '');
      const labels = product.tasks.flatMap(({ fields = [] }) => fields).map(({ label }) => label);
      const missing = labels
        .filter((label) => !/^Metadata of this organization$/.test(label))
        .filter((label) => {
          const plain = label.replaceAll(/[“”]/g, '');
          return (
            !text.includes(plain) &&
            !text.replaceAll(' the entity ID ', ' ').includes(plain) &&
            !partsOf(label).some((part) => text.includes(part))
          );
        });
      expect(missing).toEqual([]);
    },
  );

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

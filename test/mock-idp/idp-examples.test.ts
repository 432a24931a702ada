import { X509Certificate } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { describe, expect, test } from '@jest/globals';
import { parse } from 'yaml';
import { ENTRA_GROUPS_CLAIM, GOOGLE_ATTRIBUTE_NAMES } from '../../src/mock-idp/attributes.ts';
import { findHabit, HABIT_NAMES, HABITS, personOf } from '../../src/mock-idp/habits.ts';
import { DEFAULT_ATTRIBUTE_MAPPING } from '../../src/saml/response/attribute-mapping.ts';

const FOLDER = new URL('../../config/idp-examples/', import.meta.url);
/** Includes the products that have no mock. */
const EXAMPLES = readdirSync(FOLDER).flatMap((file) => (file.endsWith('.yaml') ? [file.replace('.yaml', '')] : []));

interface Example {
  readonly slug: string;
  readonly domains: readonly string[];
  readonly identity_provider: { readonly metadata_file: string; readonly attribute_mapping?: { readonly groups?: readonly string[] } };
  readonly role_mapping: { readonly rules: readonly { readonly group: string; readonly role: string }[]; readonly default_role: string };
}

const textOf = (name: string) => readFile(new URL(name, FOLDER), 'utf8');
const exampleOf = async (name: string): Promise<Example> => parse(await textOf(`${name}.yaml`));

describe('config/idp-examples matches the mock identity provider', () => {
  test.each(EXAMPLES)('%s has metadata of that product, with certificates that are marked as test only', async (name) => {
    const { metadata_file } = (await exampleOf(name)).identity_provider;
    expect(metadata_file).toBe(`${name}-metadata.xml`);
    const metadata = await textOf(metadata_file);
    expect(metadata).toContain(` entityID="${findHabit(name)?.issuer ?? ''}`);
    const certificates = [...metadata.matchAll(/<(?:ds:)?X509Certificate>([^<]+)</g)].map(
      ([, base64 = '']) => new X509Certificate(Buffer.from(base64, 'base64')),
    );
    expect(certificates.length).toBeGreaterThan(0);
    for (const certificate of certificates) {
      expect(certificate.subject).toBe('CN=samlgate example, test only'.replace(',', '\\,'));
      expect(certificate.publicKey.asymmetricKeyDetails?.modulusLength).toBeGreaterThanOrEqual(2048);
      expect(Date.parse(certificate.validTo)).toBeGreaterThan(Date.UTC(2050, 0));
    }
  });

  test.each(HABIT_NAMES)('%s makes only Olivia an owner', async (habit) => {
    const { role_mapping, domains } = await exampleOf(habit);
    const groupsOf = (key: string) => personOf(habit, key).groups;
    const [rule] = role_mapping.rules;
    expect(rule?.role).toBe('owner');
    expect(groupsOf('olivia')).toContain(rule?.group);
    expect(groupsOf('carl')).not.toContain(rule?.group);
    expect(groupsOf('nina')).not.toContain(rule?.group);
    expect(domains).toEqual([personOf(habit, 'olivia').email.split('@')[1]]);
  });

  test('relies on names of attributes that the gateway knows', async () => {
    for (const habit of HABIT_NAMES) expect((await exampleOf(habit)).identity_provider.attribute_mapping).toBeUndefined();
    expect(DEFAULT_ATTRIBUTE_MAPPING.groups).toContain(GOOGLE_ATTRIBUTE_NAMES.groups);
    const names = HABITS['entra-id'].attributes(personOf('entra-id', 'olivia')).map(({ name }) => name);
    expect(names).toContain(ENTRA_GROUPS_CLAIM);
  });

  test.each(EXAMPLES)('%s names its own URLs and file in the comments', async (name) => {
    const text = await textOf(`${name}.yaml`);
    const { slug } = await exampleOf(name);
    for (const endpoint of ['acs', 'metadata', 'login']) expect(text).toContain(`{SAMLGATE_BASE_URL}/saml/${slug}/${endpoint}`);
    expect(text).toContain(`samlgate org apply ${name}.yaml`);
    expect([...text.matchAll(/\/saml\/(acme-\w+)/g)].filter(([, other]) => other !== slug)).toEqual([]);
  });

  test('has unique slugs and domains, so that all files can be applied', async () => {
    const examples = await Promise.all(EXAMPLES.map(exampleOf));
    for (const values of [examples.map(({ slug }) => slug), examples.flatMap(({ domains }) => domains)]) {
      expect(new Set(values).size).toBe(values.length);
    }
  });

  test('contains no private key', async () => {
    for (const name of await readdir(FOLDER)) expect(await textOf(name)).not.toContain('PRIVATE KEY');
  });
});

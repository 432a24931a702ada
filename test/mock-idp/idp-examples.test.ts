import { X509Certificate } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { describe, expect, test } from '@jest/globals';
import { parse } from 'yaml';
import { ENTRA_GROUPS_CLAIM, GOOGLE_ATTRIBUTE_NAMES } from '../../src/mock-idp/attributes.ts';
import { HABIT_NAMES, HABITS, type HabitName, personOf } from '../../src/mock-idp/habits.ts';

const FOLDER = new URL('../../config/idp-examples/', import.meta.url);

interface Example {
  readonly slug: string;
  readonly domains: readonly string[];
  readonly identity_provider: { readonly metadata_file: string; readonly attribute_mapping?: { readonly groups?: readonly string[] } };
  readonly role_mapping: { readonly rules: readonly { readonly group: string; readonly role: string }[]; readonly default_role: string };
}

const textOf = (name: string) => readFile(new URL(name, FOLDER), 'utf8');
const exampleOf = async (habit: HabitName): Promise<Example> => parse(await textOf(`${habit}.yaml`));

describe('config/idp-examples and the mock identity provider fit together', () => {
  test.each(HABIT_NAMES)('%s: the metadata is that identity provider’s, with certificates that say they are for tests', async (habit) => {
    const metadata = await textOf((await exampleOf(habit)).identity_provider.metadata_file);
    expect(metadata).toContain(` entityID="${HABITS[habit].issuer}"`);
    const certificates = [...metadata.matchAll(/X509Certificate>([^<]+)</g)].map(
      ([, base64 = '']) => new X509Certificate(Buffer.from(base64, 'base64')),
    );
    expect(certificates.length).toBeGreaterThan(0);
    for (const certificate of certificates) {
      expect(certificate.subject).toBe('CN=samlgate example, test only'.replace(',', '\\,'));
      expect(certificate.publicKey.asymmetricKeyDetails?.modulusLength).toBeGreaterThanOrEqual(2048);
      expect(Date.parse(certificate.validTo)).toBeGreaterThan(Date.UTC(2050, 0));
    }
  });

  test.each(HABIT_NAMES)('%s: the rule makes Olivia an owner and nobody else of the ordinary people', async (habit) => {
    const { role_mapping, domains } = await exampleOf(habit);
    const groupsOf = (key: string) => personOf(habit, key).groups;
    const [rule] = role_mapping.rules;
    expect(rule?.role).toBe('owner');
    expect(groupsOf('olivia')).toContain(rule?.group);
    expect(groupsOf('carl')).not.toContain(rule?.group);
    expect(groupsOf('nina')).not.toContain(rule?.group);
    expect(domains).toEqual([personOf(habit, 'olivia').email.split('@')[1]]);
  });

  test('the groups of Google come under the name that the example maps; those of the others under known names', async () => {
    expect((await exampleOf('google-workspace')).identity_provider.attribute_mapping?.groups).toEqual([GOOGLE_ATTRIBUTE_NAMES.groups]);
    expect((await exampleOf('okta')).identity_provider.attribute_mapping).toBeUndefined();
    expect((await exampleOf('entra-id')).identity_provider.attribute_mapping).toBeUndefined();
    const names = HABITS['entra-id'].attributes(personOf('entra-id', 'olivia')).map(({ name }) => name);
    expect(names).toContain(ENTRA_GROUPS_CLAIM);
  });

  test('the comments name the URLs of that very slug', async () => {
    for (const habit of HABIT_NAMES) {
      const text = await textOf(`${habit}.yaml`);
      const { slug } = await exampleOf(habit);
      expect(text).toContain(`{SAMLGATE_BASE_URL}/saml/${slug}/acs`);
      expect(text).toContain(`{SAMLGATE_BASE_URL}/saml/${slug}/metadata`);
    }
  });

  test('no file has a private key', async () => {
    for (const name of await readdir(FOLDER)) expect(await textOf(name)).not.toContain('PRIVATE KEY');
  });
});

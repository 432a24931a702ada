import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { matchesFilter, parseFilter, parsePath } from '../../src/scim/filter.ts';
import { ScimError } from '../../src/scim/scim-error.ts';

const USER = {
  userName: 'Anna@acme.example',
  externalId: '00uAbC',
  active: true,
  name: { familyName: 'Čapek' },
  emails: [
    { type: 'work', value: 'anna@acme.example', primary: true },
    { type: 'home', value: 'anna@home.example' },
  ],
  'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User': { department: 'R&D' },
};

const matches = (filter: string) => matchesFilter(USER, parseFilter(filter));
const scimTypeOf = (run: () => unknown) => {
  try {
    run();
  } catch (error) {
    if (error instanceof ScimError) return error.scimType;
    throw error;
  }
  return undefined;
};

describe('filters (RFC 7644 §3.4.2.2)', () => {
  it.each([
    'userName eq "anna@acme.example"',
    'USERNAME EQ "ANNA@ACME.EXAMPLE"',
    'externalId eq "00uAbC"',
    'externalId eq 00uAbC',
    'emails[type eq "work"].value eq "anna@acme.example"',
    'emails.value eq "anna@home.example"',
    'emails eq "anna@home.example"',
    'emails[type eq "home" and value eq "anna@home.example"]',
    'name.familyName eq "čapek"',
    'active eq true',
    'active eq "True"',
    'emails pr and active pr',
    'urn:ietf:params:scim:schemas:core:2.0:User:userName eq "anna@acme.example"',
    'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department eq "r&d"',
  ])('matches %s', (filter) => expect(matches(filter)).toBe(true));

  it.each([
    'userName eq "anna"',
    'externalId eq "00UABC"',
    'emails[type eq "work"].value eq "anna@home.example"',
    'title pr',
    'userName eq "anna@acme.example" and active eq false',
    'constructorX pr',
    'toString pr',
    'valueOf pr',
  ])('does not match %s', (filter) => expect(matches(filter)).toBe(false));

  it.each([
    '',
    'userName',
    'userName eq',
    'userName ne "a"',
    'userName co "a"',
    'userName sw "a"',
    'userName gt 1',
    'userName eq "a" or userName eq "b"',
    'not (userName eq "a")',
    '(userName eq "a")',
    'userName eq "a',
    'emails[type eq "work"',
    'emails[type[a eq 1] eq "work"]',
    'userName eq "a" and',
    'userName eq "a" extra',
    '__proto__ eq "a"',
    'constructor pr',
    'name.__proto__ pr',
    `userName eq "${'a'.repeat(3000)}"`,
    Array.from({ length: 30 }, () => 'active pr').join(' and '),
  ])('refuses %j', (filter) => expect(scimTypeOf(() => parseFilter(filter))).toBe('invalidFilter'));

  it('never fails in another way, and reads in linear time', () => {
    const part = fc.constantFrom(
      'userName',
      ' eq ',
      ' pr',
      ' and ',
      '"a"',
      '[',
      ']',
      '.',
      ':',
      'urn:',
      '\\',
      '(',
      'true',
      ' ',
      '__proto__',
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(part, { maxLength: 40 }).map((parts) => parts.join('')),
        ),
        (text) => {
          for (const parse of [parseFilter, parsePath]) {
            try {
              parse(text);
            } catch (error) {
              expect(error).toBeInstanceOf(ScimError);
            }
          }
        },
      ),
    );
  });
});

describe('paths (RFC 7644 §3.5.2)', () => {
  it('keeps the dots of a schema URN apart from those of a path', () => {
    const schema = 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User';
    expect(parsePath(`${schema}:manager.displayName`)).toMatchObject({ schema, name: 'manager', sub: 'displayName' });
    expect(parsePath(schema)).toEqual({ schema });
    expect(parsePath('urn:okta:custom:1.0:user:badge')).toMatchObject({ schema: 'urn:okta:custom:1.0:user', name: 'badge' });
    expect(parsePath('MEMBERS[value eq "1"].Display')).toMatchObject({ name: 'members', sub: 'display' });
  });

  it.each([
    '__proto__.x',
    'constructor.prototype.x',
    'name.__proto__',
    'a b',
    '[x eq 1]',
    'a..b',
    'urn:x:__proto__',
    'emails[type eq "work"].',
  ])('refuses %s', (path) => expect(scimTypeOf(() => parsePath(path))).toBe('invalidPath'));
});

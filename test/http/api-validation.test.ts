import { describe, expect, test } from '@jest/globals';
import { z } from 'zod';
import type { GatewayError } from '../../src/errors.ts';
import {
  AUDIT_QUERY,
  checkShape,
  IDP_SETTINGS,
  MEMBER_CHANGES,
  MEMBER_QUERY,
  METADATA_INPUT,
  METADATA_QUERY,
  NEW_ORGANIZATION,
  NEW_ROLE_MAPPING,
  NEW_TOKEN,
  ORGANIZATION_CHANGES,
  PAGE_QUERY,
  SIGN_IN_QUERY,
} from '../../src/http/api/request-shapes.ts';

/** Returns the lines of the error, or nothing if the value is valid. */
function problems(shape: z.ZodType, value: unknown): string[] {
  try {
    checkShape(shape, value);
    return [];
  } catch (error) {
    expect(error).toMatchObject({ code: 'validation_failed' });
    return ((error as GatewayError).facts.detail ?? '').split('\n');
  }
}

describe('validation of requests', () => {
  test.each<[string, z.ZodType, unknown, string]>([
    ['a missing field', NEW_TOKEN, {}, 'name: is required.'],
    ['a missing nested field', NEW_ROLE_MAPPING, { rules: [{ role: 'owner' }], default_role: 'none' }, 'rules.0.group: is required.'],
    ['a missing body', NEW_TOKEN, undefined, 'Send a JSON object as the body of the request.'],
    ['a list as the body', NEW_TOKEN, [], 'Send a JSON object as the body of the request.'],
    ['a number instead of a string', NEW_TOKEN, { name: 7 }, 'name: must be a string.'],
    ['null instead of a string', NEW_TOKEN, { name: null }, 'name: must be a string.'],
    ['text instead of a boolean', MEMBER_CHANGES, { suspended: 'yes' }, 'suspended: must be true or false.'],
    ['text instead of a list', NEW_ROLE_MAPPING, { rules: 'all', default_role: 'none' }, 'rules: must be a list.'],
    ['a list instead of an object', IDP_SETTINGS, { attribute_mapping: [] }, 'attribute_mapping: must be an object.'],
    ['an unknown value', MEMBER_CHANGES, { role: 'admin' }, 'role: must be one of owner, collaborator.'],
    ['an unknown value of a query', METADATA_QUERY, { dry_run: '1' }, 'dry_run: must be one of true, false.'],
    ['an unknown audit event', AUDIT_QUERY, { event: 'x' }, 'event: must be an audit event such as login.accepted.'],
    ['an unknown error code', SIGN_IN_QUERY, { code: 'x' }, 'code: must be an error code such as saml_expired.'],
    ['a limit that is no number', PAGE_QUERY, { limit: 'x' }, 'limit: must be a whole number between 1 and 200.'],
    ['a limit that is too high', PAGE_QUERY, { limit: '201' }, 'limit: must be a whole number between 1 and 200.'],
    ['a fraction', PAGE_QUERY, { limit: '1.5' }, 'limit: must be a whole number between 1 and 200.'],
    [
      'a number that is too low',
      NEW_TOKEN,
      { name: 'x', expires_in_days: 0 },
      'expires_in_days: must be a whole number between 1 and 3650.',
    ],
    ['a repeated query parameter', MEMBER_QUERY, { email: ['a', 'b'] }, 'email: must be a string.'],
    ['an empty string', NEW_TOKEN, { name: '' }, 'name: must not be empty.'],
    ['a string that is too long', NEW_TOKEN, { name: 'x'.repeat(101) }, 'name: must have at most 100 characters.'],
    ['an empty list', IDP_SETTINGS, { attribute_mapping: { email: [] } }, 'attribute_mapping.email: must have at least 1 entry.'],
    ['a list that is too long', IDP_SETTINGS, { authn_context: Array(21).fill('x') }, 'authn_context: must have at most 20 entries.'],
    ['a line break', NEW_TOKEN, { name: 'a\nb' }, 'name: must not contain control characters or line breaks.'],
    ['a malformed time', AUDIT_QUERY, { since: 'yesterday' }, 'since: must be a date and time such as 2026-01-31T12:00:00Z.'],
    ['a malformed email address', ORGANIZATION_CHANGES, { contact_email: 'x' }, 'contact_email: must be an email address.'],
    ['a malformed domain', ORGANIZATION_CHANGES, { domains: ['x'] }, 'domains.0: must be a domain name such as example.com.'],
    ['an unknown field', NEW_TOKEN, { name: 'x', expires: 1 }, 'expires: is not a known field.'],
    ['an unknown nested field', IDP_SETTINGS, { attribute_mapping: { mail: ['x'] } }, 'attribute_mapping.mail: is not a known field.'],
    [
      'a group with two rules',
      NEW_ROLE_MAPPING,
      { rules: Array(2).fill({ group: 'a', role: 'owner' }), default_role: 'none' },
      'rules: must name each group only once for the same connection.',
    ],
    ['no form of metadata', METADATA_INPUT, {}, 'Send metadata_xml, or metadata_url, or entity_id with sso_url and certificates.'],
  ])('explains %s', (_kind, shape, value, expected) => {
    expect(problems(shape, value)).toEqual([expected]);
  });

  test('lists each problem on a line of its own, and at most ten', () => {
    expect(problems(NEW_ORGANIZATION, { name: 7, domains: ['x'] })).toEqual([
      expect.stringMatching(/^slug: /),
      'name: must be a string.',
      'domains.0: must be a domain name such as example.com.',
    ]);
    expect(problems(NEW_TOKEN, { name: 'x', expires: 1, scope: 'y' })).toEqual([
      'expires: is not a known field.',
      'scope: is not a known field.',
    ]);
    expect(problems(ORGANIZATION_CHANGES, { domains: Array(50).fill('x') })).toHaveLength(10);
  });

  test('has a sentence for every kind of issue that zod knows', () => {
    const shapes: [z.ZodType, unknown][] = [
      [z.literal('a'), 'b'],
      [z.number().multipleOf(5), 7],
      [z.number().max(3), 4],
      [z.string().min(2), 'a'],
      [z.email(), 'x'],
      [z.union([z.string(), z.number()]), true],
      [z.record(z.string().max(1), z.string()), { ab: 'x' }],
      [z.date(), 'x'],
    ];
    for (const [shape, value] of shapes) {
      const [problem] = problems(z.object({ field: shape }), { field: value });
      expect(problem).toMatch(/^field(\.ab)?: (must|is|has) [a-z0-9 ]+\.$/);
    }
  });

  test('never quotes a value or a key that may be one', () => {
    const secret = 'samlgate_cli_c2VjcmV0.c2VjcmV0';
    for (const [shape, value] of [
      [NEW_TOKEN, { name: { [secret]: secret } }],
      [NEW_TOKEN, { name: 'x', [secret]: 1 }],
      [NEW_TOKEN, { name: 'x', '<script>': 1 }],
      [IDP_SETTINGS, { attribute_mapping: { [secret]: [] } }],
      [MEMBER_CHANGES, { role: secret }],
      [PAGE_QUERY, { limit: secret }],
      [ORGANIZATION_CHANGES, { contact_email: secret, logo_url: secret, domains: [secret] }],
      [METADATA_INPUT, { metadata_url: 5, [secret]: secret }],
    ] as const) {
      const text = problems(shape, value).join('\n');
      expect(text).not.toBe('');
      expect(text).not.toMatch(/c2VjcmV0|script/);
    }
    expect(problems(NEW_TOKEN, { name: 'x', [secret]: 1 })).toEqual(['The request has an unknown field.']);
    expect(problems(IDP_SETTINGS, { attribute_mapping: { [secret]: [] } })).toEqual(['attribute_mapping: has an unknown field.']);
  });
});

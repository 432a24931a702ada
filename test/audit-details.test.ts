import { describe, expect, it } from '@jest/globals';
import { type Actor, type AuditEntry, auditStep } from '../src/audit.ts';
import { MAX_DETAILS_BYTES, shortenDetails } from '../src/audit-details.ts';

const bytesOf = (value: unknown) => Buffer.byteLength(JSON.stringify(value));
const rules = (count: number) => Array.from({ length: count }, (_, i) => ({ group: `group ${i}`, role: 'owner' }));

describe('the details of an audit entry', () => {
  it('are kept as they are up to the limit', () => {
    const details = { rules: rules(20), default_role: 'none' };
    expect(shortenDetails(details)).toBe(details);
  });

  it('keep short members whole, and say how much of long ones is missing', () => {
    const details = shortenDetails({ rules: rules(1000), added: rules(2), text: 'x'.repeat(9000), default_role: 'none' });
    expect(details).toMatchObject({ added: rules(2), default_role: 'none', text: expect.stringMatching(/^x+… \(\d+ more characters\)$/) });
    expect((details.rules as unknown[])[0]).toEqual(rules(1)[0]);
    expect((details.rules as unknown[]).at(-1)).toMatch(/^… \(\d+ more\)$/);
    expect(Object.keys(details)).toEqual(['rules', 'added', 'text', 'default_role']);
  });

  it.each<[string, Record<string, unknown>]>([
    ['a long text', { a: 'x'.repeat(100_000) }],
    ['characters that JSON escapes', { a: '\u0001"\\'.repeat(50_000) }],
    ['surrogate pairs', { a: '\u{1f600}'.repeat(50_000) }],
    ['a long list of long texts', { a: Array(500).fill('y'.repeat(3000)), b: [['z'.repeat(9000)]] }],
    ['many members', Object.fromEntries(Array.from({ length: 5000 }, (_, i) => [`name${i}`, 'v'.repeat(20)]))],
    ['nested records', { a: { b: { c: { d: 'x'.repeat(9000), e: rules(500) } } } }],
    ['a long name', { ['n'.repeat(9000)]: 1, a: 1 }],
  ])('never exceed the limit with %s', (_name, details) => {
    const step = auditStep(0, { kind: 'operator' } satisfies Actor, 'organization.changed', { details });
    const { value } = step as { value: unknown };
    const stored = (value as AuditEntry).details;
    expect(bytesOf(stored)).toBeLessThanOrEqual(MAX_DETAILS_BYTES);
    expect(JSON.stringify(stored)).toContain('…');
  });
});

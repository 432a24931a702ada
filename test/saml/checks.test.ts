import { describe, expect, it } from '@jest/globals';
import { GatewayError } from '../../src/errors.ts';
import { CHECKS, PERSON_CHECKS, RESPONSE_CHECKS } from '../../src/saml/response/checks.ts';
import { type Check, runChecks, type ValueName } from '../../src/saml/response/run-checks.ts';

const rows = Object.entries(CHECKS) as [string, Check<never>][];

describe('RESPONSE_CHECKS and PERSON_CHECKS', () => {
  it('are listed in this order in CHECKS', () => {
    expect(Object.keys(CHECKS)).toEqual([...Object.keys(RESPONSE_CHECKS), ...Object.keys(PERSON_CHECKS)]);
  });

  it('need only values that earlier rows provide', () => {
    const provided = new Set<ValueName>();
    for (const [name, { needs, provides }] of rows) {
      expect([name, needs.filter((need) => !provided.has(need))]).toEqual([name, []]);
      if (provides) provided.add(provides);
    }
  });

  it('provide each value once for each form of the assertion', () => {
    for (const form of ['Assertion', 'EncryptedAssertion']) {
      const provided = rows.flatMap(([, check]) => (check.provides && (check.form ?? form) === form ? [check.provides] : []));
      expect(provided).toEqual([...new Set(provided)]);
    }
  });

  it('have a title, a section and at least one code', () => {
    for (const [, { title, section, codes }] of rows) {
      expect(title).toMatch(/^[A-Z].*[^.]$/);
      expect(section).toMatch(/^(saml-(core|profiles|bindings)|XML 1\.0) §/);
      expect(codes.length).toBeGreaterThan(0);
    }
    expect(new Set(rows.map(([, { title }]) => title)).size).toBe(rows.length);
  });
});

describe('runChecks()', () => {
  const text = { title: '', section: '', codes: [], part: 'structure', needs: [] } as const;
  const noting = (ran: string[], name: string): Check<undefined> => ({ ...text, run: () => ran.push(name) });
  const failing: Check<undefined> = {
    ...text,
    run: () => {
      throw new GatewayError('saml_malformed');
    },
  };

  it('runs checks in order and stops at the first that fails', () => {
    const ran: string[] = [];
    expect(() => runChecks([noting(ran, 'a'), noting(ran, 'b'), failing, noting(ran, 'c')], {}, undefined)).toThrow('saml_malformed');
    expect(ran).toEqual(['a', 'b']);
  });

  it('skips checks of a plain or an encrypted assertion if there is no assertion', () => {
    const ran: string[] = [];
    const ofForm = (form: 'Assertion' | 'EncryptedAssertion'): Check<undefined> => ({ ...noting(ran, form), form });
    runChecks([ofForm('Assertion'), ofForm('EncryptedAssertion')], {}, undefined);
    expect(ran).toEqual([]);
  });
});

import { randomBytes } from 'node:crypto';
import { type HabitName, personOf } from '../../src/mock-idp/habits.ts';
import type { ResponseOptions } from '../../src/mock-idp/response.ts';
import type { KeyAndCertificate } from '../../src/saml/metadata/self-signed-certificate.ts';

export const NOW_MS = Date.UTC(2026, 0, 2, 3, 4, 5, 678);
export const ACS_URL = 'http://localhost:8080/saml/acme/acs';
export const SP_ENTITY_ID = 'http://localhost:8080/saml/acme/metadata';

/** Returns a sign-in that the gateway requested. */
export function signInOf(habit: HabitName, key: KeyAndCertificate, person = 'olivia'): ResponseOptions {
  return {
    habit,
    person: personOf(habit, person),
    acsUrl: ACS_URL,
    spEntityId: SP_ENTITY_ID,
    inResponseTo: '_request',
    key,
    nowMs: NOW_MS,
    randomBytes,
  };
}

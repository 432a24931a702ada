import { describe, expect, it } from '@jest/globals';
import type { ProvisioningRequest } from '../../src/organizations/provisioning/provisioning-log.ts';
import { adviceOn } from '../../src/organizations/provisioning/request-advice.ts';

const advise = (method: string, path: ProvisioningRequest['path'], status: number, scimType?: string) =>
  adviceOn({ atMs: 0, method, path, status, scimType });

const MAPPING = 'Change the attribute mapping';
const VENDOR = 'Ask the vendor of the identity provider';
const FEWER = 'Send fewer members or operations';
const CONFLICT = 'provisioning conflict';
const PUSH_AGAIN = 'push the group again in a minute';

describe('the advice on a refused SCIM request', () => {
  it.each([
    ['GET', 'Users', 400, 'invalidFilter', 'Match users by userName'],
    ['GET', 'Users', 400, 'tooMany', 'Match users by userName'],
    ['GET', 'Groups', 400, 'invalidFilter', 'Match groups by displayName'],
    ['HEAD', 'Groups', 400, 'tooMany', 'Match groups by displayName'],
    ['GET', 'Users', 400, 'invalidValue', VENDOR],
    ['PATCH', 'Users/{id}', 400, 'invalidSyntax', VENDOR],
    ['PATCH', 'Groups/{id}', 400, 'invalidFilter', VENDOR],
    ['PATCH', 'Groups/{id}', 400, 'tooMany', FEWER],
    ['POST', 'Groups', 400, 'invalidValue', 'Correct the group'],
    ['POST', 'Users', 400, 'invalidValue', MAPPING],
    ['PATCH', 'Users/{id}', 400, 'invalidPath', MAPPING],
    ['POST', 'Users', 409, 'uniqueness', CONFLICT],
    ['PATCH', 'Users/{id}', 409, 'uniqueness', 'Resolve the reason above'],
    ['POST', 'Groups', 409, 'uniqueness', 'Give the group another name'],
    ['PATCH', 'Groups/{id}', 409, 'uniqueness', 'Give the group another name'],
    ['GET', 'Users', 429, undefined, 'sends too many requests'],
    ['POST', 'Groups', 429, undefined, 'sends too many requests'],
    ['PATCH', 'Groups/{id}', 429, undefined, PUSH_AGAIN],
    ['PUT', 'Groups/{id}', 429, undefined, PUSH_AGAIN],
  ] as const)('is for %s %s with %d %s', (method, path, status, scimType, expected) => {
    expect(advise(method, path, status, scimType)).toContain(expected);
  });

  it('names conflicts of provisioning only for new users, and too many requests only if they must be the reason', () => {
    expect(advise('PATCH', 'Users/{id}', 409, 'uniqueness')).not.toContain(CONFLICT);
    expect(advise('POST', 'Groups', 409, 'uniqueness')).not.toContain(CONFLICT);
    expect(advise('PATCH', 'Groups/{id}', 429)).not.toContain('too many');
    expect(advise('POST', 'Users', 201)).toBeUndefined();
  });
});

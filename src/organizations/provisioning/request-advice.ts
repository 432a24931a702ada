/** What to change after a refused SCIM request. */
import type { ProvisioningRequest } from './provisioning-log.ts';

/** By the status of the answer, if the same advice holds for all requests. */
const ADVICE: Readonly<Record<number, string>> = {
  401: 'Create a SCIM token, and enter it at the identity provider.',
  403: 'Ask the operator of this gateway for a higher quota, or delete members or groups that are no longer needed.',
  412: 'The user or group was changed at the same moment. The identity provider repeats the request.',
  413: 'Send fewer attributes or fewer members in one request.',
  415: 'Send requests as application/scim+json.',
  499: 'The identity provider repeats the request. If this happens often, raise its time limit.',
  501: 'Turn off this feature at the identity provider.',
  503: 'The store of the gateway was not available. The identity provider repeats the request.',
};

const isRead = (method: string): boolean => method === 'GET' || method === 'HEAD';
const isForGroups = (path: ProvisioningRequest['path']): boolean => path === 'Groups' || path === 'Groups/{id}';

const INVALID = {
  userFilter: 'Match users by userName or externalId at the identity provider.',
  groupFilter: 'Match groups by displayName or externalId at the identity provider.',
  tooMany: 'Send fewer members or operations in one request.',
  request: 'Ask the vendor of the identity provider to correct the request.',
  group: 'Correct the group at the identity provider.',
  mapping: 'Change the attribute mapping of the application at the identity provider.',
} as const;

function adviceOnInvalid({ method, path, scimType }: ProvisioningRequest): string {
  if (isRead(method)) {
    if (scimType !== 'invalidFilter' && scimType !== 'tooMany') return INVALID.request;
    return isForGroups(path) ? INVALID.groupFilter : INVALID.userFilter;
  }
  if (scimType === 'tooMany') return INVALID.tooMany;
  // Administrators map attributes to paths and values, but do not choose the form of a request.
  if (scimType !== 'invalidValue' && scimType !== 'invalidPath') return INVALID.request;
  return isForGroups(path) ? INVALID.group : INVALID.mapping;
}

/** Only the request that creates a user can start or repeat a provisioning conflict. */
const NOT_UNIQUE = {
  group: 'Give the group another name at the identity provider, or delete the other group that has the name.',
  newUser: 'If the connection has a provisioning conflict, resolve it. Otherwise, resolve the reason above at the identity provider.',
  user: 'Resolve the reason above at the identity provider.',
} as const;

function adviceOnConflict({ method, path }: ProvisioningRequest): string {
  if (isForGroups(path)) return NOT_UNIQUE.group;
  return method === 'POST' ? NOT_UNIQUE.newUser : NOT_UNIQUE.user;
}

const TOO_OFTEN = {
  /** The reason can also be an unfinished rename of the group. */
  groupChange: 'The identity provider repeats the request later. If it does not, push the group again in a minute.',
  request: 'The identity provider sends too many requests. It repeats them later.',
} as const;

const adviceOnRateLimit = ({ method, path }: ProvisioningRequest): string =>
  path === 'Groups/{id}' && (method === 'PUT' || method === 'PATCH') ? TOO_OFTEN.groupChange : TOO_OFTEN.request;

/** Advice for 404 by path. All other paths name a user. */
const NOT_FOUND: Partial<Readonly<Record<ProvisioningRequest['path'], string>>> = {
  other: 'Correct the base URL at the identity provider.',
  'Groups/{id}': 'The group was deleted from this gateway. Push it again.',
};
const USER_NOT_FOUND =
  'The user was removed from this gateway. Unassign the user at the identity provider, assign it again, and provision it.';

const otherwise = (requestId: string | undefined): string =>
  requestId === undefined
    ? 'Ask the operator of this gateway to look for the request in its log.'
    : `Ask the operator of this gateway to look for the request ID ${requestId} in its log.`;

/** Returns undefined if the request was not refused. */
export function adviceOn(request: ProvisioningRequest): string | undefined {
  const { status, path, requestId } = request;
  if (status < 400) return undefined;
  if (status === 400) return adviceOnInvalid(request);
  if (status === 404) return NOT_FOUND[path] ?? USER_NOT_FOUND;
  if (status === 409) return adviceOnConflict(request);
  if (status === 429) return adviceOnRateLimit(request);
  return ADVICE[status] ?? otherwise(requestId);
}

/** What to change after a refused SCIM request. */
import type { ProvisioningRequest } from './provisioning-log.ts';

/** By the status of the answer. */
const ADVICE: Readonly<Record<number, string>> = {
  400: 'Change the attribute mapping of the application at the identity provider.',
  401: 'Create a SCIM token, and enter it at the identity provider.',
  403: 'Ask the operator of this gateway for a higher quota, or delete members or groups that are no longer needed.',
  409: 'If the connection has a conflict of provisioning, decide it. Otherwise, resolve the reason above at the identity provider.',
  412: 'The user or group was changed at the same moment. The identity provider repeats the request.',
  413: 'Send fewer attributes or fewer members in one request.',
  415: 'Send requests as application/scim+json.',
  429: 'The identity provider sends too many requests. It repeats them later.',
  499: 'The identity provider repeats the request. If this happens often, raise its time limit.',
  501: 'Turn off this feature at the identity provider.',
  503: 'The store of the gateway was not available. The identity provider repeats the request.',
};

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
export function adviceOn({ status, path, requestId }: ProvisioningRequest): string | undefined {
  if (status < 400) return undefined;
  if (status === 404) return NOT_FOUND[path] ?? USER_NOT_FOUND;
  return ADVICE[status] ?? otherwise(requestId);
}

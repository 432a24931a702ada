/** The calls about users that an identity provider provisions with SCIM. */
import type { Api } from './api-calls.ts';
import type { Member, ProvisioningConflict, ProvisioningRequest } from './api-types.ts';
import type { PagedList } from './paged-list.ts';

export interface ProvisioningDecision {
  /** ID of the member. */
  readonly member: string;
  /** ID of the conflict, so that no other user is decided than the one you saw. */
  readonly conflict: string;
}

/** Members that a SCIM user could be, but is not linked to without an approval. */
export interface ConflictCalls {
  list(organization: string, connection: string): PagedList<ProvisioningConflict>;
  /**
   * Approves that the user is the member. The next request of the identity provider links it.
   * @throws SamlgateError conflict if the conflict was replaced or resolved
   */
  approve(organization: string, connection: string, decision: ProvisioningDecision): Promise<Member>;
  /** Declines that the user is the member. @throws SamlgateError conflict */
  decline(organization: string, connection: string, decision: ProvisioningDecision): Promise<Member>;
}

/** The last requests of the SCIM client of a connection, with masked names of users. */
export interface ProvisioningRequestCalls {
  /** Lists the requests, newest first. */
  list(organization: string, connection: string): PagedList<ProvisioningRequest>;
}

export interface ProvisioningCalls {
  readonly conflicts: ConflictCalls;
  readonly requests: ProvisioningRequestCalls;
}

export function provisioningCalls(api: Api): ProvisioningCalls {
  const at = (organization: string, connection: string, ...rest: readonly string[]) => [
    ...['organizations', organization, 'connections', connection, 'provisioning'],
    ...rest,
  ];
  return {
    conflicts: {
      list: (organization, connection) => api.list(at(organization, connection, 'conflicts')),
      approve: (organization, connection, { member, conflict }) =>
        api.send('POST', at(organization, connection, 'conflicts', member, 'approve'), { conflict }),
      decline: (organization, connection, { member, conflict }) =>
        api.send('POST', at(organization, connection, 'conflicts', member, 'decline'), { conflict }),
    },
    requests: { list: (organization, connection) => api.list(at(organization, connection, 'requests')) },
  };
}

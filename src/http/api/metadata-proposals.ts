/** `/organizations/{org}/connections/{con}/proposal`: metadata that a setup link proposes for a connection with members. */
import { GatewayError } from '../../errors.ts';
import { requireConnection } from '../../organizations/connections/connections.ts';
import { acceptProposal, discardProposal, findProposal } from '../../organizations/setup/metadata-proposals.ts';
import * as answers from './answer-shapes.ts';
import { describeConnection } from './metadata-body.ts';
import { operation } from './operation.ts';
import { proposalJson } from './representations.ts';
import { json } from './request-body.ts';
import { PROPOSAL_ACCEPTANCE, PROPOSAL_CHOICE } from './request-shapes.ts';

export const METADATA_PROPOSALS = [
  operation({
    method: 'get',
    path: '/api/v1/organizations/{org}/connections/{con}/proposal',
    id: 'getMetadataProposal',
    summary: 'Retrieve proposed metadata',
    description:
      'Returns the metadata that the holder of a setup link proposes for a connection that the link may not change. Returns 404 if there is none. A proposal expires after 7 days and ends with its setup link.',
    who: 'owner',
    status: 200,
    answer: answers.METADATA_PROPOSAL,
    refusals: ['not_found'],
    handle: async ({ runtime, organization, params }) => {
      const connection = requireConnection(organization, params.con);
      const proposal = await findProposal(runtime, { organization, connection });
      if (!proposal) throw new GatewayError('not_found', 'There is no proposal for this connection.');
      return proposalJson(proposal, connection);
    },
  }),
  operation({
    method: 'post',
    path: '/api/v1/organizations/{org}/connections/{con}/proposal/accept',
    id: 'acceptMetadataProposal',
    summary: 'Accept proposed metadata',
    description:
      'Saves the proposed metadata as the connection’s metadata. Compare the fingerprints of the certificates with the identity provider first, since the holder of a new key can sign in as any member. A new metadata URL must be repeated in `metadata_url`, since keys are fetched from it daily and when a response has an unknown key. Returns 409 without it, and if the proposal was replaced.',
    who: 'owner',
    body: json(PROPOSAL_ACCEPTANCE),
    status: 200,
    answer: answers.IDENTITY_PROVIDER,
    refusals: ['conflict', 'not_found'],
    handle: async ({ runtime, principal, actor, organization, body, params }) => {
      const connection = requireConnection(organization, params.con);
      const after = await acceptProposal(runtime, actor, {
        organization,
        connection,
        proposalId: body.proposal,
        metadataUrl: body.metadata_url,
      });
      return describeConnection(runtime, principal, { organization: after, connection: requireConnection(after, params.con) });
    },
  }),
  operation({
    method: 'post',
    path: '/api/v1/organizations/{org}/connections/{con}/proposal/discard',
    id: 'discardMetadataProposal',
    summary: 'Discard proposed metadata',
    description: 'Deletes the proposal. The connection does not change. Returns 409 if the proposal was replaced.',
    who: 'owner',
    body: json(PROPOSAL_CHOICE),
    status: 204,
    refusals: ['conflict', 'not_found'],
    handle: async ({ runtime, actor, organization, body, params }) => {
      const connection = requireConnection(organization, params.con);
      await discardProposal(runtime, actor, { organization, connection, proposalId: body.proposal });
    },
  }),
];

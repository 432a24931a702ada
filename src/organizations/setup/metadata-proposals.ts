/**
 * Metadata that a setup link proposes for a connection it may no longer change. Nothing changes before an owner or the operator accepts
 * it, since its keys could sign in as every member. A connection has at most one proposal, which expires by itself.
 */
import { isDeepStrictEqual } from 'node:util';
import { type Actor, auditStep } from '../../audit.ts';
import { GatewayError } from '../../errors.ts';
import { newTimeOrderedId } from '../../ids.ts';
import type { Runtime } from '../../runtime.ts';
import type { IdpMetadata } from '../../saml/metadata/idp-metadata.ts';
import { DAY_SECONDS } from '../../time.ts';
import { type OrganizationConnection, requireConnection } from '../connections/connections.ts';
import { type EntityIdDecision, planEntityIdChange } from '../connections/entity-id-change.ts';
import { type MetadataChange, setIdentityProvider, withMetadata } from '../connections/identity-providers.ts';
import { type Connection, ORGANIZATION, ORGANIZATION_RECORD, type Organization } from '../organizations.ts';
import { findSetupScope, requireLinkStep } from './setup-links.ts';
import { isLockedForSetup, requireLinkId } from './setup-rights.ts';

/** How long owners have time to accept a proposal. */
const KEPT_DAYS = 7;

export interface MetadataProposal {
  readonly id: string;
  /** Revoking this link discards the proposal. */
  readonly linkId: string;
  readonly metadata: IdpMetadata;
  readonly metadataUrl?: string | undefined;
  /** The choice about the members, if the entityID is another one. */
  readonly decision?: EntityIdDecision | undefined;
  readonly proposedAtMs: number;
  readonly expiresAtMs: number;
}

const proposalKey = (connectionId: string): string => `metadata-proposal:${connectionId}`;

/**
 * Saves the metadata of a setup, or keeps it as a proposal if the setup link may not change the connection.
 * @throws the errors of {@link setIdentityProvider}
 */
export async function saveOrPropose(runtime: Runtime, actor: Actor, change: MetadataChange): Promise<'saved' | 'proposed' | 'unchanged'> {
  const { organization, connectionId, loaded } = change;
  if (!(await isLockedForSetup(runtime.store, { organization, connectionId }))) {
    await setIdentityProvider(runtime, actor, change);
    return 'saved';
  }
  const { metadata, metadataUrl } = requireConnection(organization, connectionId);
  if (metadataUrl === loaded.metadataUrl && isDeepStrictEqual(metadata, loaded.metadata)) return 'unchanged';
  await propose(runtime, actor, change);
  return 'proposed';
}

async function propose(runtime: Runtime, actor: Actor, { organization, connectionId, loaded, decision }: MetadataChange): Promise<void> {
  const { id } = requireConnection(organization, connectionId);
  const { metadata, metadataUrl } = loaded;
  await planEntityIdChange(runtime, actor, { organization, connectionId: id, entityId: metadata.entityId, decision });
  const nowMs = runtime.now();
  withMetadata({ organization, connectionId: id, loaded }, nowMs); // throws if another connection has this identity provider
  const proposal: MetadataProposal = {
    id: newTimeOrderedId('prp', nowMs),
    linkId: requireLinkId(actor),
    metadata,
    metadataUrl,
    decision,
    proposedAtMs: nowMs,
    expiresAtMs: nowMs + KEPT_DAYS * DAY_SECONDS * 1000,
  };
  const saved = await runtime.store.commit(organization.id, [
    { do: 'require', collection: ORGANIZATION, id: ORGANIZATION_RECORD },
    await requireLinkStep(runtime.store, organization.id, proposal.linkId),
    { do: 'put', key: proposalKey(id), value: JSON.stringify(proposal), ttlSeconds: KEPT_DAYS * DAY_SECONDS },
    auditStep(nowMs, actor, 'metadata_proposal.created', { details: detailsOf(id, proposal) }),
  ]);
  if (saved.ok) return;
  if (saved.failed === 0) throw new GatewayError('organization_unknown');
  throw new GatewayError('unauthenticated', { variant: 'setup_session_ended' });
}

const detailsOf = (connection: string, { id, metadata, metadataUrl }: MetadataProposal) => ({
  proposal: id,
  connection,
  entity_id: metadata.entityId,
  certificates: metadata.signingCertificates.map(({ fingerprintSha256 }) => fingerprintSha256),
  ...(metadataUrl === undefined ? {} : { metadata_url: metadataUrl }),
});

/** Returns the proposal for a connection. Undefined if it is missing or expired, or if its setup link has ended. */
export async function findProposal(
  runtime: Runtime,
  { organization, connection }: OrganizationConnection,
): Promise<MetadataProposal | undefined> {
  const text = await runtime.store.peek(organization.id, proposalKey(connection.id));
  if (text === undefined) return undefined;
  const proposal = JSON.parse(text) as MetadataProposal;
  if (proposal.expiresAtMs <= runtime.now()) return undefined;
  const scope = await findSetupScope(runtime, organization.id, proposal.linkId);
  return scope?.connectionId === connection.id ? proposal : undefined;
}

export const PROPOSED_CHANGES = ['entity_id', 'certificates', 'single_sign_on', 'single_logout', 'metadata_url'] as const;
export type ProposedChange = (typeof PROPOSED_CHANGES)[number];

/** Returns which parts of a connection's metadata a proposal changes. */
export function changesOf({ metadata, metadataUrl }: MetadataProposal, { metadata: present, metadataUrl: presentUrl }: Connection) {
  const fingerprintsOf = ({ signingCertificates }: IdpMetadata) => signingCertificates.map((each) => each.fingerprintSha256).sort();
  const isChanged: Readonly<Record<ProposedChange, boolean>> = {
    entity_id: metadata.entityId !== present.entityId,
    certificates: !isDeepStrictEqual(fingerprintsOf(metadata), fingerprintsOf(present)),
    single_sign_on: !isDeepStrictEqual(metadata.singleSignOn, present.singleSignOn),
    single_logout: !isDeepStrictEqual(metadata.singleLogout, present.singleLogout),
    metadata_url: metadataUrl !== presentUrl,
  };
  return PROPOSED_CHANGES.filter((change) => isChanged[change]);
}

export interface ProposalChoice extends OrganizationConnection {
  /** The proposal that the owner has seen. Another one may have replaced it. */
  readonly proposalId: string;
}

/** @throws not_found; conflict if another proposal has replaced the one that the owner has seen */
async function requireProposal(runtime: Runtime, choice: ProposalChoice): Promise<MetadataProposal> {
  const proposal = await findProposal(runtime, choice);
  if (!proposal) throw new GatewayError('not_found', 'There is no proposal for this connection. It may have expired.');
  if (proposal.id !== choice.proposalId) {
    throw new GatewayError('conflict', 'The setup link has since proposed other metadata. Nothing was changed. Check the new proposal.');
  }
  return proposal;
}

export interface ProposalAcceptance extends ProposalChoice {
  /** The metadata URL that the owner has seen in the proposal. Required if the connection has another one or none. */
  readonly metadataUrl?: string | undefined;
}

/**
 * Saves the proposed metadata, as if the actor had uploaded it.
 * @throws not_found, conflict; the errors of {@link setIdentityProvider}
 */
export async function acceptProposal(runtime: Runtime, actor: Actor, choice: ProposalAcceptance): Promise<Organization> {
  const { organization, connection } = choice;
  const proposal = await requireProposal(runtime, choice);
  requireUrlConfirmed(proposal, choice);
  const { metadata, metadataUrl, decision, id, linkId } = proposal;
  const changed = await setIdentityProvider(runtime, actor, {
    organization,
    connectionId: connection.id,
    loaded: { metadata, warnings: [], ...(metadataUrl === undefined ? {} : { metadataUrl }) },
    decision,
    auditDetails: { proposal: id, setup_link: linkId },
  });
  await runtime.store.commit(organization.id, [{ do: 'drop', key: proposalKey(connection.id) }]);
  return changed;
}

/**
 * Requires that the caller names a new metadata URL. Certificates are fetched from it later, so its server controls all sign-ins, even
 * if the proposed certificates are the current ones.
 * @throws conflict
 */
function requireUrlConfirmed({ metadataUrl: proposed }: MetadataProposal, { connection, metadataUrl: named }: ProposalAcceptance): void {
  if (named === proposed || (named === undefined && proposed === connection.metadataUrl)) return;
  if (proposed === undefined) throw new GatewayError('conflict', 'The proposal has no metadata URL. Nothing was changed.');
  throw new GatewayError(
    'conflict',
    'The proposal has another metadata URL, from which the gateway would fetch certificates. Check that it belongs to the identity provider, and confirm it. Nothing was changed.',
  );
}

/** Deletes a proposal. @throws not_found, conflict */
export async function discardProposal(runtime: Runtime, actor: Actor, choice: ProposalChoice): Promise<void> {
  const { organization, connection } = choice;
  const proposal = await requireProposal(runtime, choice);
  await runtime.store.commit(organization.id, [
    { do: 'drop', key: proposalKey(connection.id) },
    auditStep(runtime.now(), actor, 'metadata_proposal.discarded', { details: detailsOf(connection.id, proposal) }),
  ]);
}

/**
 * CLI tokens: persistent JWTs with which programs act as a member. A token is valid while its member's record lists it. The token
 * itself is shown once and never stored. One commit changes the record and writes the audit entry. Removing the member
 * ends its tokens, and suspending the member pauses them (`organizations/member-changes.ts`).
 */
import { SignJWT } from 'jose';
import { type Actor, type AuditEvent, auditStep } from '../../audit.ts';
import { GatewayError } from '../../errors.ts';
import { newId } from '../../ids.ts';
import { type CliToken, getMember, isActive, MEMBERS, type Member } from '../../organizations/members.ts';
import { getOrganizationById } from '../../organizations/organizations.ts';
import { noteQuotaUse, quotaExceeded, quotaOf } from '../../organizations/quotas/quotas.ts';
import type { Runtime } from '../../runtime.ts';
import type { Stored } from '../../store/store.ts';
import { updateRecord } from '../../store/update-record.ts';
import { DAY_SECONDS } from '../../time.ts';
import { currentSigner, verifyingKey } from '../keys/key-lease.ts';
import { noteTokenChange } from '../keys/token-counts.ts';
import type { Credential } from '../principal.ts';
import { cliTokenEndMs, type TokenPolicy, tokenPolicyOf } from './token-policy.ts';
import { deleteTokenUse, lastUseOf, type TokenUse } from './token-use.ts';
import { CLI_TOKEN_PREFIX, TOKEN_TYPES } from './verify-token.ts';

/** Lifetime of a token whose creator asks for none. */
export const DEFAULT_TOKEN_DAYS = 90;
const DEFAULT_NAME = 'CLI token';

export interface TokenOwner {
  readonly organizationId: string;
  readonly memberId: string;
}

/** The member who creates a token, and the credential of the request. Both must still be valid when the token is written. */
export interface TokenCreator extends TokenOwner {
  readonly credential: Credential;
}

/** The tokens to revoke, and the credential of the member who revokes them; undefined for the operator. */
export interface TokenRevoker extends TokenOwner {
  readonly credential: Credential | undefined;
}

export interface TokenOptions {
  readonly name?: string | undefined;
  /** Null: never. Absent: {@link DEFAULT_TOKEN_DAYS}, or fewer if the organization or the credential of the request allows fewer. */
  readonly expiresInDays?: number | null | undefined;
}

export interface NewCliToken {
  readonly record: CliToken;
  /** The token itself, with its prefix. */
  readonly token: string;
}

/**
 * Creates a CLI token. A token that is created with another token does not expire later than that token, and that token must
 * still be valid when the new one is written. Otherwise an attacker with a stolen token could keep the access.
 * @throws forbidden, validation_failed, quota_exceeded, unauthenticated, store_unavailable
 */
export async function createCliToken(runtime: Runtime, actor: Actor, creator: TokenCreator, options: TokenOptions): Promise<NewCliToken> {
  const created = await signToken(runtime, creator, options);
  const organization = await getOrganizationById(runtime.store, creator.organizationId);
  if (!organization) throw new GatewayError('unauthenticated');
  const nowMs = runtime.now();
  const { id, name } = created.record;
  const after = await changeTokens(runtime, actor, creator, {
    event: 'cli_token.created',
    details: { token_id: id, name },
    change: (member) => {
      requireValidCredential(member, creator.credential, nowMs);
      const live = liveTokens(member, nowMs);
      if (live.length >= quotaOf(organization, 'cli_tokens_per_member'))
        throw quotaExceeded(runtime, organization, 'cli_tokens_per_member');
      noteQuotaUse(runtime, organization, 'cli_tokens_per_member', live.length + 1);
      return [...live, created.record];
    },
  });
  if (!after) throw new GatewayError('unauthenticated');
  return created;
}

/**
 * Revokes all CLI tokens of the member and creates a new one, in one commit. By default, the new token gets the name of the token
 * that the request was made with.
 * @throws forbidden, conflict, unauthenticated, store_unavailable
 */
export async function rotateCliTokens(
  runtime: Runtime,
  actor: Actor,
  creator: TokenCreator,
  options: TokenOptions,
): Promise<{ readonly revoked: number; readonly created: NewCliToken }> {
  const created = await signToken(runtime, creator, options);
  const nowMs = runtime.now();
  let revoked = 0;
  const after = await changeTokens(runtime, actor, creator, {
    event: 'cli_tokens.rotated',
    details: { token_id: created.record.id },
    change: (member) => {
      requireValidCredential(member, creator.credential, nowMs);
      revoked = liveTokens(member, nowMs).length;
      const former = member.cliTokens.find(({ id }) => id === creator.credential.id);
      return [{ ...created.record, name: options.name ?? former?.name ?? DEFAULT_NAME }];
    },
  });
  const record = after?.value.cliTokens[0];
  if (!record) throw new GatewayError('unauthenticated');
  return { revoked, created: { ...created, record } };
}

/**
 * Revokes all CLI tokens of a member, without a replacement.
 * @returns how many valid tokens were revoked
 * @throws forbidden, not_found, conflict, store_unavailable
 */
export async function revokeAllCliTokens(runtime: Runtime, actor: Actor, revoker: TokenRevoker): Promise<number> {
  refuseSessionToken(revoker.credential);
  const nowMs = runtime.now();
  let revoked = 0;
  const after = await changeTokens(runtime, actor, revoker, {
    event: 'cli_tokens.rotated',
    details: {},
    change: (member) => {
      revoked = liveTokens(member, nowMs).length;
      return [];
    },
  });
  if (!after) throw new GatewayError('not_found', 'This member does not exist.');
  return revoked;
}

/** @throws forbidden, not_found, conflict, store_unavailable */
export async function revokeCliToken(runtime: Runtime, actor: Actor, revoker: TokenRevoker, tokenId: string): Promise<void> {
  refuseSessionToken(revoker.credential);
  const noSuchToken = () => new GatewayError('not_found', 'This CLI token does not exist. It may already have been revoked.');
  const after = await changeTokens(runtime, actor, revoker, {
    event: 'cli_token.revoked',
    details: { token_id: tokenId },
    change: (member) => {
      const others = member.cliTokens.filter(({ id }) => id !== tokenId);
      if (others.length === member.cliTokens.length) throw noSuchToken();
      return others;
    },
  });
  if (!after) throw noSuchToken();
}

const liveTokens = (member: Member, nowMs: number): CliToken[] =>
  member.cliTokens.filter(({ expiresAtMs }) => expiresAtMs === undefined || expiresAtMs > nowMs);

interface TokenChange {
  readonly event: AuditEvent;
  readonly details: Readonly<Record<string, unknown>>;
  /** Returns the new list of tokens. */
  readonly change: (member: Member) => readonly CliToken[];
}

/** Changes the tokens of a member. The same commit writes the audit entry and deletes the recorded uses of removed tokens. */
async function changeTokens(
  runtime: Runtime,
  actor: Actor,
  { organizationId, memberId }: TokenOwner,
  { event, details, change }: TokenChange,
): Promise<Stored<Member> | undefined> {
  let tokensBefore: readonly CliToken[] = [];
  const changed = await updateRecord(runtime.store, {
    partition: organizationId,
    collection: MEMBERS,
    id: memberId,
    change: (member) => ({ ...member, cliTokens: change(member) }),
    extraSteps: (before, after) => {
      tokensBefore = before.cliTokens;
      const kept = new Set(after.cliTokens.map(({ id }) => id));
      const ended = before.cliTokens.map(({ id }) => id).filter((id) => !kept.has(id));
      const allDetails = ended.length === 0 ? details : { ...details, ended };
      return [auditStep(runtime.now(), actor, event, { member_id: memberId, details: allDetails }), ...ended.map(deleteTokenUse)];
    },
    replicated: true,
  });
  if (changed) await noteTokenChange(runtime, { before: tokensBefore, after: changed.value.cliTokens });
  return changed;
}

/** Checks the credential again at the time of the write, because it may have been revoked, or the member suspended, after the request arrived. */
function requireValidCredential(member: Member, credential: Credential, nowMs: number): void {
  const isListed =
    credential.kind === 'session'
      ? member.sessions.some(({ id, endsAtMs }) => id === credential.id && endsAtMs > nowMs)
      : member.cliTokens.some(({ id }) => id === credential.id);
  if (!isListed || !isActive(member)) throw new GatewayError('unauthenticated');
}

/**
 * Other services receive session tokens. Such a service must not create a credential that lasts, nor end those that the member
 * uses elsewhere.
 * @throws forbidden
 */
function refuseSessionToken(credential: Credential | undefined): void {
  if (credential?.kind !== 'session_token') return;
  throw new GatewayError('forbidden', 'A session token cannot create, revoke or rotate CLI tokens. Use a CLI token, or sign in.');
}

async function signToken(runtime: Runtime, creator: TokenCreator, options: TokenOptions): Promise<NewCliToken> {
  const { organizationId, memberId, credential } = creator;
  refuseSessionToken(credential);
  const policy = await tokenPolicyOf(runtime, organizationId);
  if (!policy) throw new GatewayError('unauthenticated');
  const createdAt = Math.floor(runtime.now() / 1000);
  const expiresAt = expiryOf(options.expiresInDays, createdAt, policy, credential);
  const { kid, algorithm, privateKey } = await currentSigner(runtime);
  const id = newId('tok');
  const jwt = new SignJWT({ org: organizationId })
    .setProtectedHeader({ alg: algorithm, kid, typ: TOKEN_TYPES.cli_token })
    .setIssuer(runtime.config.baseUrl)
    .setSubject(memberId)
    .setJti(id)
    .setIssuedAt(createdAt);
  if (expiresAt !== undefined) jwt.setExpirationTime(expiresAt);
  const record: CliToken = {
    id,
    name: options.name ?? DEFAULT_NAME,
    kid,
    createdAtMs: createdAt * 1000,
    ...(expiresAt === undefined ? {} : { expiresAtMs: expiresAt * 1000 }),
  };
  return { record, token: `${CLI_TOKEN_PREFIX}${await jwt.sign(privateKey)}` };
}

/**
 * Returns the expiry in seconds since 1970, or undefined if the token never expires.
 * @throws validation_failed if the requested expiry is later than the organization, or the credential of the request, allows
 */
function expiryOf(
  requestedDays: number | null | undefined,
  createdAt: number,
  policy: TokenPolicy,
  credential: Credential,
): number | undefined {
  const policyLimit = policy.maxDays === undefined ? Number.POSITIVE_INFINITY : createdAt + policy.maxDays * DAY_SECONDS;
  const credentialLimit =
    credential.kind === 'cli_token' ? Math.floor((credential.expiresAtMs ?? Number.POSITIVE_INFINITY) / 1000) : Number.POSITIVE_INFINITY;
  const latest = Math.min(policyLimit, credentialLimit);
  if (requestedDays === undefined) return Math.min(createdAt + DEFAULT_TOKEN_DAYS * DAY_SECONDS, latest);
  const requested = requestedDays === null ? Number.POSITIVE_INFINITY : createdAt + requestedDays * DAY_SECONDS;
  if (requested <= latest) return Number.isFinite(requested) ? requested : undefined;
  throw new GatewayError(
    'validation_failed',
    policyLimit < credentialLimit
      ? `expires_in_days: your organization allows at most ${policy.maxDays}.`
      : 'expires_in_days: a token that is created with another token cannot expire later than that token. Sign in to create one that is valid longer.',
  );
}

export interface ListedCliToken {
  readonly record: CliToken;
  readonly endsAtMs: number | undefined;
  readonly lastUse: TokenUse | undefined;
}

/** Returns the valid tokens of a member, newest first. @throws not_found, store_unavailable */
export async function listCliTokens(runtime: Runtime, organizationId: string, memberId: string): Promise<ListedCliToken[]> {
  const { value: member } = await getMember(runtime.store, organizationId, memberId);
  const policy = await tokenPolicyOf(runtime, organizationId);
  const listed: ListedCliToken[] = [];
  for (const record of member.cliTokens.toReversed()) {
    const endsAtMs = policy === undefined ? record.expiresAtMs : cliTokenEndMs(record, policy);
    const isLive = (endsAtMs === undefined || endsAtMs > runtime.now()) && (await verifyingKey(runtime, record.kid)) !== undefined;
    if (isLive) listed.push({ record, endsAtMs, lastUse: await lastUseOf(runtime, organizationId, record.id) });
  }
  return listed;
}

/**
 * CLI tokens: persistent JWTs of a member, for programs. A token is good while its member's record lists it; the token itself
 * is shown once and kept nowhere. Making and ending tokens is one commit of that record with its audit entry.
 */
import { SignJWT } from 'jose';
import { type Actor, type AuditEvent, auditStep } from '../../audit.ts';
import { GatewayError } from '../../errors.ts';
import { newId } from '../../ids.ts';
import { type CliToken, getMember, isActive, MEMBERS, type Member } from '../../organizations/members.ts';
import type { Runtime } from '../../runtime.ts';
import type { Stored } from '../../store/store.ts';
import { updateRecord } from '../../store/update-record.ts';
import { DAY_MS } from '../../time.ts';
import { currentSigner, verifyingKey } from '../keys/key-lease.ts';
import type { Credential } from '../principal.ts';
import { cliTokenEndMs, type TokenPolicy, tokenPolicyOf } from './token-policy.ts';
import { forgetUse, lastUseOf, type TokenUse } from './token-use.ts';
import { CLI_TOKEN_PREFIX, TOKEN_TYPES } from './verify-token.ts';

const MAX_TOKENS = 50;
const DEFAULT_NAME = 'CLI token';

/** Who asks for a token, and by what: both must still be good at the moment when the token comes into being. */
export interface Minter {
  readonly organizationId: string;
  readonly memberId: string;
  readonly credential: Credential;
}

export interface TokenWish {
  readonly name?: string | undefined;
  readonly expiresInDays?: number | undefined;
}

export interface NewCliToken {
  readonly record: CliToken;
  /** The token itself, with its prefix. */
  readonly token: string;
}

/**
 * Makes a CLI token. Of a token that is made with another one neither the end is later, nor does it survive a revocation that
 * came before it: else who has got hold of a token could keep what they have.
 * @throws forbidden, validation_failed, conflict, unauthenticated, store_unavailable
 */
export async function createCliToken(runtime: Runtime, actor: Actor, minter: Minter, wish: TokenWish): Promise<NewCliToken> {
  const made = await makeToken(runtime, minter, wish);
  const nowMs = runtime.now();
  const { name } = made.record;
  const after = await changeTokens(runtime, actor, minter, 'cli_token.created', { token_id: made.record.id, name }, (member) => {
    requireStillGood(member, minter.credential, nowMs);
    const live = member.cliTokens.filter((token) => token.expiresAtMs === undefined || token.expiresAtMs > nowMs);
    if (live.length >= MAX_TOKENS) {
      throw new GatewayError('conflict', `A member has at most ${MAX_TOKENS} CLI tokens. Revoke one that is no longer needed.`);
    }
    return [...live, made.record];
  });
  if (!after) throw new GatewayError('unauthenticated');
  return made;
}

/**
 * Revokes all CLI tokens of the member and makes a new one, in one commit. Without a name it gets that of the token that asks.
 * @throws forbidden, conflict, unauthenticated, store_unavailable
 */
export async function rotateCliTokens(
  runtime: Runtime,
  actor: Actor,
  minter: Minter,
  wish: Pick<TokenWish, 'name'>,
): Promise<{ readonly revoked: number; readonly made: NewCliToken }> {
  const made = await makeToken(runtime, minter, wish);
  const nowMs = runtime.now();
  let revoked = 0;
  const after = await changeTokens(runtime, actor, minter, 'cli_tokens.rotated', { token_id: made.record.id }, (member) => {
    requireStillGood(member, minter.credential, nowMs);
    revoked = liveAt(member, nowMs);
    const former = member.cliTokens.find(({ id }) => id === minter.credential.id);
    return [{ ...made.record, name: wish.name ?? former?.name ?? DEFAULT_NAME }];
  });
  const record = after?.value.cliTokens[0];
  if (!record) throw new GatewayError('unauthenticated');
  return { revoked, made: { ...made, record } };
}

/**
 * Revokes all CLI tokens of a member. The new one is the member's to fetch.
 * @returns how many there were
 * @throws not_found, conflict, store_unavailable
 */
export async function revokeAllCliTokens(runtime: Runtime, actor: Actor, organizationId: string, memberId: string): Promise<number> {
  const nowMs = runtime.now();
  let revoked = 0;
  const after = await changeTokens(runtime, actor, { organizationId, memberId }, 'cli_tokens.rotated', {}, (member) => {
    revoked = liveAt(member, nowMs);
    return [];
  });
  if (!after) throw new GatewayError('not_found', 'There is no such member.');
  return revoked;
}

/** @throws not_found, conflict, store_unavailable */
export async function revokeCliToken(
  runtime: Runtime,
  actor: Actor,
  owner: Pick<Minter, 'organizationId' | 'memberId'>,
  tokenId: string,
): Promise<void> {
  const noSuchToken = () => new GatewayError('not_found', 'There is no such CLI token.');
  const after = await changeTokens(runtime, actor, owner, 'cli_token.revoked', { token_id: tokenId }, (member) => {
    const others = member.cliTokens.filter(({ id }) => id !== tokenId);
    if (others.length === member.cliTokens.length) throw noSuchToken();
    return others;
  });
  if (!after) throw noSuchToken();
}

const liveAt = (member: Member, nowMs: number): number =>
  member.cliTokens.filter(({ expiresAtMs }) => expiresAtMs === undefined || expiresAtMs > nowMs).length;

/** The list of a member's tokens, their audit entry and what is to be forgotten with them: one commit. */
function changeTokens(
  runtime: Runtime,
  actor: Actor,
  owner: Pick<Minter, 'organizationId' | 'memberId'>,
  event: AuditEvent,
  details: Readonly<Record<string, unknown>>,
  change: (member: Member) => readonly CliToken[],
): Promise<Stored<Member> | undefined> {
  return updateRecord(runtime.store, {
    partition: owner.organizationId,
    collection: MEMBERS,
    id: owner.memberId,
    change: (member) => ({ ...member, cliTokens: change(member) }),
    extraSteps: (before, after) => {
      const kept = new Set(after.cliTokens.map(({ id }) => id));
      const gone = before.cliTokens.filter(({ id }) => !kept.has(id));
      const all = gone.length === 0 ? details : { ...details, ended: gone.map(({ id }) => id) };
      return [auditStep(runtime.now(), actor, event, { member_id: owner.memberId, details: all }), ...gone.map(({ id }) => forgetUse(id))];
    },
    replicated: true,
  });
}

/** The credential was good when the request came; since then its tokens may have been revoked, or the member suspended. */
function requireStillGood(member: Member, credential: Credential, nowMs: number): void {
  const isListed =
    credential.kind === 'session'
      ? member.sessions.some(({ id, endsAtMs }) => id === credential.id && endsAtMs > nowMs)
      : member.cliTokens.some(({ id }) => id === credential.id);
  if (!isListed || !isActive(member)) throw new GatewayError('unauthenticated');
}

async function makeToken(runtime: Runtime, minter: Minter, wish: TokenWish): Promise<NewCliToken> {
  const { organizationId, memberId, credential } = minter;
  if (credential.kind === 'session_token') {
    // It is handed to other services. Whoever has one for ten minutes must not get something that lasts.
    throw new GatewayError('forbidden', 'A session token makes no CLI tokens. Use a CLI token, or sign in.');
  }
  const policy = await tokenPolicyOf(runtime, organizationId);
  if (!policy) throw new GatewayError('unauthenticated');
  const createdAt = Math.floor(runtime.now() / 1000);
  const expiresAt = endOf(wish.expiresInDays, createdAt, policy, credential);
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
    name: wish.name ?? DEFAULT_NAME,
    kid,
    createdAtMs: createdAt * 1000,
    ...(expiresAt === undefined ? {} : { expiresAtMs: expiresAt * 1000 }),
  };
  return { record, token: `${CLI_TOKEN_PREFIX}${await jwt.sign(privateKey)}` };
}

/**
 * Seconds since 1970; undefined where nothing sets an end.
 * @throws validation_failed where more is asked for than the organization, or the token that makes it, allows
 */
function endOf(wishDays: number | undefined, createdAt: number, policy: TokenPolicy, credential: Credential): number | undefined {
  const byPolicy = policy.maxDays === undefined ? Number.POSITIVE_INFINITY : createdAt + policy.maxDays * (DAY_MS / 1000);
  const ofMaker = credential.kind === 'cli_token' ? Math.floor((credential.expiresAtMs ?? Number.POSITIVE_INFINITY) / 1000) : Infinity;
  const latest = Math.min(byPolicy, ofMaker);
  if (wishDays === undefined) return Number.isFinite(latest) ? latest : undefined;
  const wished = createdAt + wishDays * (DAY_MS / 1000);
  if (wished <= latest) return wished;
  throw new GatewayError(
    'validation_failed',
    byPolicy < ofMaker
      ? `expires_in_days: the organization allows at most ${policy.maxDays}.`
      : 'expires_in_days: a token that is made with another one ends no later than that one. Sign in to make one that lives longer.',
  );
}

export interface ListedCliToken {
  readonly record: CliToken;
  readonly endsAtMs: number | undefined;
  readonly lastUse: TokenUse | undefined;
}

/** The member's live tokens, newest first. @throws not_found, store_unavailable */
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

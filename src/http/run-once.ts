/**
 * Forms that create something. Each form carries a one-time key, so a double click, a reload or the back button creates one thing:
 * the request that comes first does the work, and all others get its answer. A secret that is shown once is kept encrypted until the
 * next page shows it.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Request, Response } from 'express';
import { clearCookie, readCookie, setCookie } from '../auth/sessions/cookies.ts';
import type { Notice } from '../console/navigation.ts';
import { codeOf, GatewayError } from '../errors.ts';
import { hashOf, newSecret } from '../ids.ts';
import { perRuntime, type Runtime } from '../runtime.ts';
import { GLOBAL, type Step } from '../store/store.ts';
import { redirectWithNotice, visitOf } from './console/visit.ts';

export interface FormResult {
  /** The page that shows the result. */
  readonly href: string;
  readonly notice?: Notice | string;
  /** What that page shows once, with {@link takeSecret}. Any JSON. */
  readonly secret?: unknown;
}

/** A result as stored. The secret is stored under another key, encrypted. */
interface StoredResult extends Omit<FormResult, 'secret'> {
  readonly hasSecret: boolean;
}

interface Submission {
  readonly partition: string;
  /** The one-time key of the form. */
  readonly formKey: string;
  readonly claimKey: string;
  readonly resultKey: string;
  readonly secretKey: string;
}

/** How long a form that is sent again gets the result of the first request. */
const RESULT_TTL_SECONDS = 600;
const SECRET_TTL_SECONDS = 120;
/** Metadata may have to be fetched, which takes up to ten seconds. */
const MAX_WAIT_MS = 15_000;
/** The first pause. Each is twice as long as the one before. */
const POLL_MS = 100;
const MAX_POLL_MS = 2000;
const FORM_KEY = /^[\w-]{36,43}$/;

const secretKeyOf = (csrfToken: string, formKey: string): string => `form-secret:${hashOf(csrfToken, formKey)}`;
const sealPurpose = (formKey: string): string => `form secret ${formKey}`;
const partitionOf = (response: Response): string => visitOf(response).organization?.id ?? GLOBAL;

/** A form that was corrected after a refusal, and sent again with the same key, is another submission. */
function submissionOf(request: Request, response: Response): Submission {
  const { csrfToken } = visitOf(response);
  const fields = Object.entries((request.body ?? {}) as Record<string, unknown>).filter(([, value]) => typeof value === 'string');
  const { form_key: given } = Object.fromEntries(fields);
  const formKey = typeof given === 'string' && FORM_KEY.test(given) ? given : newSecret();
  const hash = hashOf(csrfToken, formKey, request.originalUrl, JSON.stringify(fields));
  return {
    partition: partitionOf(response),
    formKey,
    claimKey: `form:${hash}`,
    resultKey: `form-result:${hash}`,
    secretKey: secretKeyOf(csrfToken, formKey),
  };
}

/**
 * Does the work of a form once, and redirects to the page with its result. If the work fails, the form can be sent again.
 * @throws conflict if the first request ended without a result, store_unavailable, and what the work throws
 */
export async function runOnce(runtime: Runtime, request: Request, response: Response, work: () => Promise<FormResult>): Promise<void> {
  const submission = submissionOf(request, response);
  const { partition, claimKey, formKey } = submission;
  const { ok: isFirst } = await runtime.store.commit(partition, [{ do: 'claim', key: claimKey, ttlSeconds: RESULT_TTL_SECONDS }]);
  const { href, notice, hasSecret } = isFirst ? await runFirst(runtime, submission, work) : await awaitResult(runtime, submission);
  if (hasSecret) setCookie(runtime, response, 'formResult', formKey);
  if (notice === undefined) response.redirect(303, href);
  else redirectWithNotice(runtime, response, href, notice);
}

async function runFirst(runtime: Runtime, submission: Submission, work: () => Promise<FormResult>): Promise<StoredResult> {
  const { store, secrets, log } = runtime;
  const { partition, claimKey, resultKey, secretKey, formKey } = submission;
  let result: FormResult;
  try {
    result = await work();
  } catch (error) {
    await store.commit(partition, [{ do: 'drop', key: claimKey }]).catch((failure: unknown) => {
      log.warn({ code: codeOf(failure) }, 'could not release the key of a refused form; it expires');
    });
    throw error;
  }
  const { secret, ...shown } = result;
  const stored: StoredResult = { ...shown, hasSecret: secret !== undefined };
  const steps: Step[] = [{ do: 'put', key: resultKey, value: JSON.stringify(stored), ttlSeconds: RESULT_TTL_SECONDS }];
  if (stored.hasSecret) {
    const value = secrets.seal(sealPurpose(formKey), JSON.stringify(secret));
    steps.push({ do: 'put', key: secretKey, value, ttlSeconds: SECRET_TTL_SECONDS });
  }
  await store.commit(partition, steps);
  return stored;
}

/** The running waits, by key of the result. A form that is sent very often waits once. */
const waitsOf = perRuntime(() => new Map<string, Promise<StoredResult>>());

/** Waits for the result of the first request, which may still be at work. @throws conflict, store_unavailable */
function awaitResult(runtime: Runtime, submission: Submission): Promise<StoredResult> {
  const waits = waitsOf(runtime);
  const key = `${submission.partition} ${submission.resultKey}`;
  const running = waits.get(key);
  if (running) return running;
  const wait = pollResult(runtime, submission).finally(() => waits.delete(key));
  waits.set(key, wait);
  return wait;
}

async function pollResult({ store }: Runtime, { partition, resultKey }: Submission): Promise<StoredResult> {
  let pauseMs = POLL_MS;
  for (let waitedMs = 0; waitedMs < MAX_WAIT_MS; ) {
    const text = await store.peek(partition, resultKey);
    if (text !== undefined) return JSON.parse(text) as StoredResult;
    await sleep(pauseMs);
    waitedMs += pauseMs;
    pauseMs = Math.min(2 * pauseMs, MAX_POLL_MS);
  }
  throw new GatewayError('conflict', 'This form was already sent, but its result is not known. Check the list before you send it again.');
}

/**
 * Returns the secret that the page shows after a form, once.
 * @returns undefined if it was shown before, or too much time has passed
 */
export async function takeSecret<T>(runtime: Runtime, request: Request, response: Response): Promise<T | undefined> {
  const formKey = readCookie(runtime, request, 'formResult');
  if (formKey === undefined || !FORM_KEY.test(formKey)) return undefined;
  clearCookie(runtime, response, 'formResult');
  const { store, secrets } = runtime;
  const [partition, key] = [partitionOf(response), secretKeyOf(visitOf(response).csrfToken, formKey)];
  const sealed = await store.peek(partition, key);
  if (sealed === undefined) return undefined;
  const { ok } = await store.commit(partition, [{ do: 'take', key }]);
  response.locals.showsSecret = ok;
  return ok ? (JSON.parse(secrets.unseal(sealPurpose(formKey), sealed)) as T) : undefined;
}

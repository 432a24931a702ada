import type { ErrorCode } from '../errors.ts';

/** What the token and device endpoints refuse with, as their specifications spell it (RFC 6749 §5.2, RFC 8628 §3.5). */
export type OAuthErrorCode =
  | 'invalid_request'
  | 'invalid_client'
  | 'invalid_grant'
  | 'unauthorized_client'
  | 'unsupported_grant_type'
  | 'invalid_scope'
  | 'invalid_target'
  | 'authorization_pending'
  | 'slow_down'
  | 'access_denied'
  | 'expired_token';

/** What this side finds by itself. */
export type LocalErrorCode =
  /** No answer: nothing listens there, or the connection broke. */
  | 'gateway_unreachable'
  /** No answer in time. */
  | 'gateway_timeout'
  /** Something answers, but no gateway does. */
  | 'not_a_gateway'
  /** The URL of the gateway is none. */
  | 'gateway_url_invalid'
  /** There is no token in the environment and none in the credentials file. */
  | 'no_token'
  /** The credentials file can be read by others, or can't be read at all. */
  | 'credentials_file_unusable'
  /** A value that would change the address that is called. */
  | 'argument_invalid';

export type SamlgateErrorCode = ErrorCode | OAuthErrorCode | LocalErrorCode;

export interface SamlgateErrorFacts {
  readonly code: SamlgateErrorCode;
  readonly title: string;
  readonly detail?: string | undefined;
  /** Of the HTTP answer, where there was one. */
  readonly status?: number | undefined;
  readonly requestId?: string | undefined;
  readonly retryAfterSeconds?: number | undefined;
  readonly cause?: unknown;
}

/**
 * The one error that this library throws. Branch on `code`; codes are part of the public interface.
 *
 * @example
 * try {
 *   await client.members.remove('acme', id);
 * } catch (error) {
 *   if (error instanceof SamlgateError && error.code === 'conflict') console.log('This is the last owner.');
 *   else throw error;
 * }
 */
export class SamlgateError extends Error {
  readonly code: SamlgateErrorCode;
  readonly title: string;
  /** What happened and who can do something about it, in words for people. */
  readonly detail: string | undefined;
  readonly status: number | undefined;
  /** Under which the gateway's log and audit trail have the refusal. */
  readonly requestId: string | undefined;
  readonly retryAfterSeconds: number | undefined;

  constructor({ code, title, detail, status, requestId, retryAfterSeconds, cause }: SamlgateErrorFacts) {
    super(detail === undefined ? title : `${title}: ${detail}`, cause === undefined ? undefined : { cause });
    this.name = 'SamlgateError';
    this.code = code;
    this.title = title;
    this.detail = detail;
    this.status = status;
    this.requestId = requestId;
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

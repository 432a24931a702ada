import type { ErrorCode } from '../errors.ts';

/** Error codes of the token and device endpoints, as RFC 6749 §5.2, RFC 8628 §3.5 and RFC 8693 §2.2.2 spell them. */
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

/** Error codes of failures that the client detects itself. */
export type LocalErrorCode =
  /** The connection to the gateway failed. `title` and `detail` say why. */
  | 'gateway_unreachable'
  /** The gateway did not answer within `timeoutMs`. */
  | 'gateway_timeout'
  /** The server that answered is not a gateway. */
  | 'not_a_gateway'
  /** The URL of the gateway is invalid. */
  | 'gateway_url_invalid'
  /** Neither the options, nor the environment, nor the credentials file have a token for the gateway. */
  | 'no_token'
  /** The credentials file can't be read or written, is damaged, or other users of the machine can read it. */
  | 'credentials_file_unusable'
  /**
   * An argument would change the path or the host of the request: a name or id that is empty, `.` or `..`, or a path that is a URL. Or
   * `requireAuth` got a slug instead of the id of an organization.
   */
  | 'argument_invalid';

export type SamlgateErrorCode = ErrorCode | OAuthErrorCode | LocalErrorCode;

export interface SamlgateErrorFacts {
  readonly code: SamlgateErrorCode;
  readonly title: string;
  readonly detail?: string | undefined;
  readonly status?: number | undefined;
  readonly requestId?: string | undefined;
  readonly retryAfterSeconds?: number | undefined;
  readonly cause?: unknown;
}

/**
 * The only error class that this library throws. Branch on `code`; codes are part of the public interface, texts are not.
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
  /** What happened, as a sentence without a full stop. */
  readonly title: string;
  /** Why it happened and what to do next. */
  readonly detail: string | undefined;
  /** HTTP status of the response; undefined if there was no response. */
  readonly status: number | undefined;
  /** Identifies the request in the gateway's log and audit trail. */
  readonly requestId: string | undefined;
  /** Seconds to wait before the next attempt, from the `Retry-After` header. */
  readonly retryAfterSeconds: number | undefined;

  constructor({ code, title, detail, status, requestId, retryAfterSeconds, cause }: SamlgateErrorFacts) {
    super(detail === undefined ? title : `${title}. ${detail}`, cause === undefined ? undefined : { cause });
    this.name = 'SamlgateError';
    this.code = code;
    this.title = title;
    this.detail = detail;
    this.status = status;
    this.requestId = requestId;
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

/**
 * Why a token was not accepted. `refused`: the token is invalid, expired or revoked. `unavailable`: the gateway could not be asked, so
 * the token may be valid.
 */
export class TokenError extends Error {
  readonly reason: 'refused' | 'unavailable';

  constructor(reason: 'refused' | 'unavailable', cause?: unknown) {
    super(reason, cause === undefined ? undefined : { cause });
    this.name = 'TokenError';
    this.reason = reason;
  }
}

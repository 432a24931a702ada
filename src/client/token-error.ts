/** `refused`: the token is not good. `unavailable`: nobody can tell now. */
export class TokenError extends Error {
  readonly reason: 'refused' | 'unavailable';

  constructor(reason: 'refused' | 'unavailable', cause?: unknown) {
    super(reason, cause === undefined ? undefined : { cause });
    this.name = 'TokenError';
    this.reason = reason;
  }
}

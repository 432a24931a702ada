/**
 * A request that the mock identity provider can't process. The message is shown to the user. It is not a `GatewayError`, because the
 * mock is not part of the gateway.
 */
export class MockIdpRefusal extends Error {
  override readonly name = 'MockIdpRefusal';
  /** HTTP status of the error page. */
  readonly status: number;

  constructor(message: string, { status = 400, cause }: { readonly status?: number; readonly cause?: unknown } = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.status = status;
  }
}

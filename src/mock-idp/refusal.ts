/**
 * Something that was sent to the mock identity provider and that it can’t work with. The message is for people. It is no
 * `GatewayError`, because the mock is no part of the gateway.
 */
export class MockIdpRefusal extends Error {
  override readonly name = 'MockIdpRefusal';
  /** HTTP status of the page that says so. */
  readonly status: number;

  constructor(message: string, { status = 400, cause }: { readonly status?: number; readonly cause?: unknown } = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.status = status;
  }
}

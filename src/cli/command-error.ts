/** How a command ends that could not be done. `main.ts` prints the message and sets the exit code. */
import { SamlgateError } from '../client/samlgate-error.ts';
import { plain } from './output.ts';

/** Refused or failed; exits with 1. */
export class CommandError extends Error {
  readonly code: string | undefined;

  constructor(message: string, code?: string) {
    super(message);
    this.name = 'CommandError';
    this.code = code;
  }
}

/** Given wrongly; exits with 2. */
export class UsageError extends Error {}

/** In the gateway's own words, with what finds them in its log. */
export function describeRefusal({ message, status, code, requestId }: SamlgateError): string {
  const words = plain(message);
  return status === undefined ? words : `${words}\n  code ${plain(code)}, request ${plain(requestId ?? 'unknown')}`;
}

/** What is known before anything is asked: like a wrong option. */
const GIVEN_WRONGLY: ReadonlySet<string> = new Set(['no_token', 'gateway_url_invalid', 'argument_invalid']);

/** Message and exit code of an error that is an answer; undefined for a defect. */
export function endOf(error: unknown): { readonly message: string; readonly exitCode: 1 | 2 } | undefined {
  if (error instanceof UsageError) return { message: error.message, exitCode: 2 };
  if (error instanceof CommandError) return { message: error.message, exitCode: 1 };
  if (!(error instanceof SamlgateError)) return undefined;
  return { message: describeRefusal(error), exitCode: GIVEN_WRONGLY.has(error.code) ? 2 : 1 };
}

/** Errors that end a command. `command-line.ts` prints the message and sets the exit code. */
import { SamlgateError } from '../client/samlgate-error.ts';
import { plain } from './output.ts';

/** The command was refused or failed. Exit code 1. */
export class CommandError extends Error {
  readonly code: string | undefined;

  constructor(message: string, code?: string) {
    super(message);
    this.name = 'CommandError';
    this.code = code;
  }
}

/** The command was called with wrong arguments. Exit code 2. */
export class UsageError extends Error {}

/** Advice by code, for codes whose advice from the gateway addresses users of a browser. */
const ADVICE: Readonly<Record<string, string>> = {
  organization_unknown: 'This organization does not exist. Check its short name. As the operator, list all with: samlgate org list',
};

/** Returns the message of a refusal, with the code and the request id that find it in the gateway's log. */
export function describeRefusal({ message, detail, status, code, requestId }: SamlgateError): string {
  const advice = Object.hasOwn(ADVICE, code) ? ADVICE[code] : undefined;
  // A detail ends as it should: with a full stop, or with a command that can be copied.
  const text = advice ?? plain(detail === undefined ? `${message}.` : message);
  return status === undefined ? text : `${text}\n  code ${plain(code)}, request ${plain(requestId ?? 'unknown')}`;
}

/** Codes of errors that the client finds before it sends a request, and that a different option or variable resolves. */
const USAGE_CODES: ReadonlySet<string> = new Set(['no_token', 'gateway_url_invalid', 'argument_invalid']);

/** Returns message and exit code of an expected error, or undefined if the error is a defect. */
export function describeCommandError(error: unknown): { readonly message: string; readonly exitCode: 1 | 2 } | undefined {
  if (error instanceof UsageError) return { message: error.message, exitCode: 2 };
  if (error instanceof CommandError) return { message: error.message, exitCode: 1 };
  if (!(error instanceof SamlgateError)) return undefined;
  return { message: describeRefusal(error), exitCode: USAGE_CODES.has(error.code) ? 2 : 1 };
}

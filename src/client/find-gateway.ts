/** Finds the gateway and the token, in the order that the command line and the library share. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { DEFAULT_STORE } from '../store-location.ts';
import { gatewayKey, readCredentials, savedFor } from './credentials-file.ts';
import { isLoopbackHost } from './loopback.ts';
import { SamlgateError } from './samlgate-error.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

/** Whose token to look for: a member's own, or the operator's (for organizations and signing keys). */
export type Caller = 'member' | 'operator';

export interface FindGatewayOptions {
  /** Base URL of the gateway. Takes precedence over the environment and the credentials file. */
  readonly url?: string | undefined;
  /** Token. Takes precedence over the environment and the credentials file. */
  readonly token?: string | undefined;
  /** Whose token to look for. Default: `member`. */
  readonly as?: Caller | undefined;
  /** Environment variables. Default: `process.env`. */
  readonly environment?: Environment | undefined;
}

export interface FoundGateway {
  readonly url: string;
  readonly token: string;
  /** Where the token was found. */
  readonly source: 'argument' | 'environment' | 'credentials-file' | 'operator-file';
}

const DEFAULT_URL = 'http://localhost:8080';

/**
 * Finds the gateway and the token.
 *
 * URL: `url`, `SAMLGATE_URL`, `SAMLGATE_BASE_URL`, the gateway of the last sign-in, `http://localhost:8080`.
 *
 * Token: `token`, `SAMLGATE_OPERATOR_TOKEN` (operator only), `SAMLGATE_CLI_TOKEN`, the operator token file beside the
 * SQLite file of `SAMLGATE_STORE` (operator only, and only for a gateway on this machine), the credentials file.
 *
 * A token of the environment is never sent to a gateway that only the credentials file names.
 * @throws SamlgateError no_token, gateway_url_invalid, credentials_file_unusable
 */
export function findGateway({ url, token, as = 'member', environment = process.env }: FindGatewayOptions = {}): FoundGateway {
  const named = url ?? (environment.SAMLGATE_URL || environment.SAMLGATE_BASE_URL || undefined);
  const explicitToken = token ?? tokenOf(environment, as);
  if (explicitToken !== undefined) {
    return { url: gatewayKey(named ?? DEFAULT_URL), token: explicitToken, source: token === undefined ? 'environment' : 'argument' };
  }
  const operatorToken = as === 'operator' ? readOperatorToken(gatewayKey(named ?? DEFAULT_URL), environment) : undefined;
  if (operatorToken !== undefined) return { url: gatewayKey(named ?? DEFAULT_URL), token: operatorToken, source: 'operator-file' };
  const file = readCredentials(environment);
  const key = gatewayKey(named ?? file.current ?? DEFAULT_URL);
  const saved = savedFor(file, key);
  if (!saved) throw noToken(key, as);
  return { url: key, token: saved.token, source: 'credentials-file' };
}

function tokenOf(environment: Environment, as: Caller): string | undefined {
  const ofMember = environment.SAMLGATE_CLI_TOKEN || undefined;
  return as === 'operator' ? environment.SAMLGATE_OPERATOR_TOKEN || ofMember : ofMember;
}

/** Reads the operator token file, but only for a gateway on this machine: the token must not be sent to another one by mistake. */
function readOperatorToken(url: string, { SAMLGATE_STORE }: Environment): string | undefined {
  const store = SAMLGATE_STORE?.trim() || DEFAULT_STORE;
  // With Redis the token is only in the environment. A file in the working directory belongs to another gateway.
  if (!isLoopbackHost(new URL(url).hostname) || !store.startsWith('sqlite:')) return undefined;
  try {
    return readFileSync(path.join(path.dirname(store.slice('sqlite:'.length)), 'operator-token'), 'utf8').trim();
  } catch {
    return undefined; // this is not the directory of a gateway
  }
}

function noToken(url: string, as: Caller): SamlgateError {
  const detail =
    as === 'operator'
      ? 'Set SAMLGATE_OPERATOR_TOKEN, or sign in as an owner with: samlgate login'
      : 'Set SAMLGATE_URL and SAMLGATE_CLI_TOKEN, or sign in with: samlgate login';
  return new SamlgateError({ code: 'no_token', title: `There is no token for ${url}`, detail });
}

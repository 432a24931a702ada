/** Which gateway, and with which token: the order that the command line and the library share. */
import { readFileSync } from 'node:fs';
import { gatewayKey, keptFor, readCredentials } from './credentials-file.ts';
import { isLoopbackHost } from './loopback.ts';
import { SamlgateError } from './samlgate-error.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

/** For whom a call is: what a member does, or what is the operator's (organizations, signing keys). */
export type Caller = 'member' | 'operator';

export interface GatewayWish {
  /** Base URL of the gateway, before everything else that could name it. */
  readonly url?: string | undefined;
  /** Token, before everything else that could hold one. */
  readonly token?: string | undefined;
  /** `member` where it is not given. */
  readonly as?: Caller | undefined;
  readonly environment?: Environment | undefined;
}

export interface FoundGateway {
  readonly url: string;
  readonly token: string;
  /** Where the token is from. */
  readonly source: 'argument' | 'environment' | 'credentials-file' | 'operator-file';
}

const DEFAULT_URL = 'http://localhost:8080';
/** Where a gateway with SQLite keeps the operator's token, seen from its directory. */
const KEPT_OPERATOR_TOKEN = 'data/operator-token';

/**
 * In this order. URL: `url`, `SAMLGATE_URL`, `SAMLGATE_BASE_URL`, the gateway that was last signed in to, `http://localhost:8080`.
 * Token: `token`, `SAMLGATE_CLI_TOKEN` (for the operator `SAMLGATE_OPERATOR_TOKEN` first), the credentials file's for that URL;
 * for the operator on the gateway's own machine the kept operator token before it. A token of the environment never goes to a
 * gateway that only the credentials file names.
 * @throws SamlgateError no_token, gateway_url_invalid, credentials_file_unusable
 */
export function findGateway({ url, token, as = 'member', environment = process.env }: GatewayWish = {}): FoundGateway {
  const named = url ?? (environment.SAMLGATE_URL || environment.SAMLGATE_BASE_URL || undefined);
  const given = token ?? tokenOf(environment, as);
  if (given !== undefined) {
    return { url: gatewayKey(named ?? DEFAULT_URL), token: given, source: token === undefined ? 'environment' : 'argument' };
  }
  const operatorToken = as === 'operator' ? keptOperatorToken(gatewayKey(named ?? DEFAULT_URL)) : undefined;
  if (operatorToken !== undefined) return { url: gatewayKey(named ?? DEFAULT_URL), token: operatorToken, source: 'operator-file' };
  const file = readCredentials(environment);
  const key = gatewayKey(named ?? file.current ?? DEFAULT_URL);
  const kept = keptFor(file, key);
  if (!kept) throw noToken(key, as);
  return { url: key, token: kept.token, source: 'credentials-file' };
}

function tokenOf(environment: Environment, as: Caller): string | undefined {
  const ofMember = environment.SAMLGATE_CLI_TOKEN || undefined;
  return as === 'operator' ? environment.SAMLGATE_OPERATOR_TOKEN || ofMember : ofMember;
}

/** Only for a gateway on this machine: the token must not go to another one by mistake. */
function keptOperatorToken(url: string): string | undefined {
  if (!isLoopbackHost(new URL(url).hostname)) return undefined;
  try {
    return readFileSync(KEPT_OPERATOR_TOKEN, 'utf8').trim();
  } catch {
    return undefined; // not the gateway's directory
  }
}

function noToken(url: string, as: Caller): SamlgateError {
  const detail =
    as === 'operator'
      ? 'Set SAMLGATE_OPERATOR_TOKEN (the operator), or sign in as an owner: samlgate login'
      : 'Sign in with: samlgate login. Or set SAMLGATE_URL and SAMLGATE_CLI_TOKEN.';
  return new SamlgateError({ code: 'no_token', title: `There is no token for ${url}`, detail });
}

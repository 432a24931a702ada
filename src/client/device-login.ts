/** Device authorization (RFC 8628): the terminal shows a code, the user confirms it in any browser, and the terminal gets a CLI token. */
import { setTimeout as sleep } from 'node:timers/promises';
import { SamlgateError } from './samlgate-error.ts';
import { type Connection, sendRequest } from './send-request.ts';

const CLIENT_ID = 'samlgate-cli';
const DEVICE_CODE_GRANT = 'urn:ietf:params:oauth:grant-type:device_code';
/** Default polling interval, and what `slow_down` adds to the interval (RFC 8628 §3.2, §3.5). */
const INTERVAL_SECONDS = 5;

export interface DeviceCode {
  readonly device_code: string;
  /** Code that the user compares or enters. */
  readonly user_code: string;
  readonly verification_uri: string;
  readonly verification_uri_complete?: string;
  /** Seconds. */
  readonly expires_in: number;
  /** Seconds between two polls. */
  readonly interval?: number;
}

export interface DeviceCodeOptions {
  /** Slug of the organization; if undefined, the user chooses it in the browser. */
  readonly organization: string | undefined;
  /** Name of the new token. */
  readonly tokenName: string;
}

/** Starts a sign-in and returns the code to show to the user. @throws SamlgateError */
export async function requestDeviceCode(connection: Connection, { organization, tokenName }: DeviceCodeOptions): Promise<DeviceCode> {
  const body = new URLSearchParams({
    client_id: CLIENT_ID,
    token_name: tokenName,
    ...(organization === undefined ? {} : { organization }),
  });
  return (await sendRequest(connection, 'POST', '/oauth/device_authorization', { body })) as DeviceCode;
}

/**
 * Polls until the user has confirmed the code, and returns the CLI token.
 * @throws SamlgateError access_denied, expired_token
 */
export async function awaitDeviceToken(connection: Connection, code: DeviceCode): Promise<string> {
  const body = new URLSearchParams({ grant_type: DEVICE_CODE_GRANT, device_code: code.device_code, client_id: CLIENT_ID });
  const expiresAtMs = Date.now() + code.expires_in * 1000;
  let intervalSeconds = code.interval ?? INTERVAL_SECONDS;
  while (Date.now() < expiresAtMs) {
    await sleep(intervalSeconds * 1000);
    try {
      return ((await sendRequest(connection, 'POST', '/oauth/token', { body })) as { access_token: string }).access_token;
    } catch (error) {
      intervalSeconds = nextInterval(error, intervalSeconds);
    }
  }
  throw new SamlgateError({
    code: 'expired_token',
    title: 'The code expired before it was confirmed',
    detail: 'Start again with: samlgate login',
  });
}

/** Returns the seconds until the next poll. Throws the error if it ends the sign-in. */
function nextInterval(error: unknown, intervalSeconds: number): number {
  const code = error instanceof SamlgateError ? error.code : undefined;
  if (code === 'authorization_pending') return intervalSeconds;
  // RFC 8628 §3.5: after a connection timeout the client polls less often, as after slow_down.
  if (code === 'slow_down' || code === 'gateway_timeout' || code === 'gateway_unreachable') return intervalSeconds + INTERVAL_SECONDS;
  const isBusy = error instanceof SamlgateError && (error.status === 429 || error.status === 503);
  if (isBusy) return intervalSeconds + INTERVAL_SECONDS;
  throw error;
}

/** Revokes a token (RFC 7009). An unknown token is not an error. */
export async function revokeToken(connection: Connection, token: string): Promise<void> {
  await sendRequest(connection, 'POST', '/oauth/revoke', { body: new URLSearchParams({ token, client_id: CLIENT_ID }) });
}

/** Signing in from a terminal (RFC 8628): a code is shown here, confirmed in a browser anywhere, and a CLI token comes back. */
import { setTimeout as sleep } from 'node:timers/promises';
import { SamlgateError } from './samlgate-error.ts';
import { type Connection, sendRequest } from './send-request.ts';

const CLIENT_ID = 'samlgate-cli';
const DEVICE_CODE_GRANT = 'urn:ietf:params:oauth:grant-type:device_code';
/** Where the gateway names none, and what is added where it asks to slow down (RFC 8628 §3.2, §3.5). */
const INTERVAL_SECONDS = 5;

export interface DeviceCode {
  readonly device_code: string;
  /** What the person compares, or types in. */
  readonly user_code: string;
  readonly verification_uri: string;
  readonly verification_uri_complete?: string;
  readonly expires_in: number;
  readonly interval?: number;
}

export interface DeviceWish {
  /** Slug; without it the person chooses in the browser. */
  readonly organization: string | undefined;
  /** What the token will be called. */
  readonly tokenName: string;
}

export async function requestDeviceCode(connection: Connection, { organization, tokenName }: DeviceWish): Promise<DeviceCode> {
  const body = new URLSearchParams({
    client_id: CLIENT_ID,
    token_name: tokenName,
    ...(organization === undefined ? {} : { organization }),
  });
  return (await sendRequest(connection, 'POST', '/oauth/device_authorization', { body })) as DeviceCode;
}

/**
 * Waits until the person has confirmed, and gives the CLI token.
 * @throws SamlgateError access_denied, expired_token
 */
export async function awaitDeviceToken(connection: Connection, code: DeviceCode): Promise<string> {
  const body = new URLSearchParams({ grant_type: DEVICE_CODE_GRANT, device_code: code.device_code, client_id: CLIENT_ID });
  const endsAtMs = Date.now() + code.expires_in * 1000;
  let intervalSeconds = code.interval ?? INTERVAL_SECONDS;
  while (Date.now() < endsAtMs) {
    await sleep(intervalSeconds * 1000);
    try {
      return ((await sendRequest(connection, 'POST', '/oauth/token', { body })) as { access_token: string }).access_token;
    } catch (error) {
      intervalSeconds = nextInterval(error, intervalSeconds);
    }
  }
  throw new SamlgateError({ code: 'expired_token', title: 'Nobody confirmed the code in time', detail: 'Start again: samlgate login' });
}

/** Seconds until the next question. @throws what ends the waiting */
function nextInterval(error: unknown, intervalSeconds: number): number {
  const code = error instanceof SamlgateError ? error.code : undefined;
  if (code === 'authorization_pending') return intervalSeconds;
  // A gateway that does not answer for a moment is asked less often, like one that says so (RFC 8628 §3.5).
  if (code === 'slow_down' || code === 'gateway_timeout' || code === 'gateway_unreachable') return intervalSeconds + INTERVAL_SECONDS;
  const isBusy = error instanceof SamlgateError && (error.status === 429 || error.status === 503);
  if (isBusy) return intervalSeconds + INTERVAL_SECONDS;
  throw error;
}

/** Ends a token (RFC 7009). An unknown one is no error. */
export async function revokeToken(connection: Connection, token: string): Promise<void> {
  await sendRequest(connection, 'POST', '/oauth/revoke', { body: new URLSearchParams({ token, client_id: CLIENT_ID }) });
}

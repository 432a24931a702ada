import type { Writable } from 'node:stream';
import type { Actor } from '../../audit.ts';

/** The browser that posts a SAML response. */
export interface BrowserContext {
  /** The anonymous actor of the request, with its address and request ID. */
  readonly actor: Actor;
  /** Value of the nonce cookie. */
  readonly nonce: string | undefined;
  /** Session ID of the session cookie, if its signature is valid. */
  readonly sid: string | undefined;
  /** Organization of the session that this browser has, as far as its cookies tell. Also known if the session cookie is not sent. */
  readonly signedInTo: string | undefined;
  /**
   * Whether the browser may have a session although it sent no cookie: over plain http, no cookie comes with a form that another site
   * sends, because SameSite=None needs https.
   */
  readonly mayHideSession: boolean;
  readonly userAgent: string | undefined;
}

/** The HTTP response to a browser. It is closed when the client is gone. */
export type Client = Pick<Writable, 'closed' | 'once' | 'off'>;

/**
 * Creates LogoutRequests and LogoutResponses. They are written as text, because they have only five elements and every value is
 * escaped by one function. They are always signed, even if the identity provider does not require it.
 * @see saml-core §3.7, saml-profiles §4.4.4
 */

import { MINUTE_MS, toIsoTime } from '../../time.ts';
import { ASSERTION, NAME_ID_UNSPECIFIED, PROTOCOL, STATUS_RESPONDER, STATUS_SUCCESS, STATUS_UNKNOWN_PRINCIPAL } from '../names.ts';
import type { NameId } from '../response/name-id.ts';
import { escapeXml } from '../xml/escape-xml.ts';
import { type BrowserMessage, createBrowserMessage, type MessageSigningKey } from './bindings.ts';

interface LogoutMessageOptions {
  /** An unguessable NCName. */
  readonly id: string;
  readonly nowMs: number;
  /** Our entityID for the organization. */
  readonly entityId: string;
  /** The identity provider's endpoint for this binding. */
  readonly location: string;
  readonly binding: 'redirect' | 'post';
  readonly signWith: MessageSigningKey;
}

export interface LogoutRequestOptions extends LogoutMessageOptions {
  /** The NameID of the assertion with all its qualifiers, because the identity provider may need them to find the user. */
  readonly nameId: NameId;
  readonly sessionIndex: string | undefined;
}

/** How long the identity provider may accept the request. */
const VALID_MS = 5 * MINUTE_MS;

/** Creates a request to the identity provider to end its session and the user's sessions at other service providers. */
export function createLogoutRequest(options: LogoutRequestOptions): Promise<BrowserMessage> {
  const { nameId, sessionIndex, nowMs } = options;
  const attributes = [
    nameId.format === NAME_ID_UNSPECIFIED ? '' : attribute('Format', nameId.format),
    attribute('NameQualifier', nameId.nameQualifier),
    attribute('SPNameQualifier', nameId.spNameQualifier),
  ].join('');
  const index = sessionIndex === undefined ? '' : `<samlp:SessionIndex>${escapeXml(sessionIndex)}</samlp:SessionIndex>`;
  const content = `<saml:NameID${attributes}>${escapeXml(nameId.value)}</saml:NameID>${index}`;
  const xml = writeMessage('LogoutRequest', options, attribute('NotOnOrAfter', toIsoTime(nowMs + VALID_MS)), content);
  return send('SAMLRequest', xml, options, undefined);
}

export interface LogoutResponseOptions extends LogoutMessageOptions {
  readonly inResponseTo: string;
  /** The RelayState of the request, unchanged. */
  readonly relayState: string | undefined;
  readonly status: LogoutStatus;
}

/** `success`: no session that the request names is left. `unknown_principal`: the gateway does not know the user (saml-core §3.2.2.2). */
export type LogoutStatus = 'success' | 'unknown_principal';

const STATUS_CODES: Readonly<Record<LogoutStatus, string>> = {
  success: `<samlp:StatusCode Value="${STATUS_SUCCESS}"/>`,
  unknown_principal: `<samlp:StatusCode Value="${STATUS_RESPONDER}"><samlp:StatusCode Value="${STATUS_UNKNOWN_PRINCIPAL}"/></samlp:StatusCode>`,
};

/** Creates the response to a LogoutRequest. */
export function createLogoutResponse(options: LogoutResponseOptions): Promise<BrowserMessage> {
  const status = `<samlp:Status>${STATUS_CODES[options.status]}</samlp:Status>`;
  const xml = writeMessage('LogoutResponse', options, attribute('InResponseTo', options.inResponseTo), status);
  return send('SAMLResponse', xml, options, options.relayState);
}

function writeMessage(name: string, options: LogoutMessageOptions, more: string, content: string): string {
  const { id, nowMs, entityId, location } = options;
  const attributes = `${attribute('ID', id)} Version="2.0"${attribute('IssueInstant', toIsoTime(nowMs))}${attribute('Destination', location)}${more}`;
  const issuer = `<saml:Issuer>${escapeXml(entityId)}</saml:Issuer>`;
  return `<samlp:${name} xmlns:samlp="${PROTOCOL}" xmlns:saml="${ASSERTION}"${attributes}>${issuer}${content}</samlp:${name}>`;
}

function send(field: 'SAMLRequest' | 'SAMLResponse', xml: string, options: LogoutMessageOptions, relayState: string | undefined) {
  const { id, location, binding, signWith } = options;
  return createBrowserMessage(binding, { field, id, xml, location, relayState, signWith });
}

const attribute = (name: string, value: string | undefined): string => (value === undefined ? '' : ` ${name}="${escapeXml(value)}"`);

/**
 * Logout messages of ours, written as text: they are five elements, and every value goes through one escaping. Always signed,
 * whatever the identity provider asks for.
 * @see saml-core §3.7, saml-profiles §4.4.4
 */

import { MINUTE_MS, toIsoTime } from '../../time.ts';
import { ASSERTION, NAME_ID_UNSPECIFIED, PROTOCOL, STATUS_SUCCESS } from '../names.ts';
import type { NameId } from '../response/name-id.ts';
import { escapeXml } from '../xml/escape-xml.ts';
import { type BrowserMessage, createBrowserMessage, type MessageSigningKey } from './bindings.ts';

interface LogoutMessageOptions {
  /** NCName, unguessable. */
  readonly id: string;
  readonly nowMs: number;
  /** Our entityID for the organization. */
  readonly entityId: string;
  /** The identity provider's endpoint and the binding that it has there. */
  readonly location: string;
  readonly binding: 'redirect' | 'post';
  readonly signWith: MessageSigningKey;
}

export interface LogoutRequestOptions extends LogoutMessageOptions {
  /** As the assertion had it, with all its qualifiers: by less the identity provider may not know who is meant. */
  readonly nameId: NameId;
  readonly sessionIndex: string | undefined;
}

/** How long the identity provider may take it, ms. */
const VALID_MS = 5 * MINUTE_MS;

/** Asks the identity provider to end its session too, and those that it made elsewhere. */
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
  /** Of the request, given back as it came. */
  readonly relayState: string | undefined;
}

/** Tells the identity provider that no session is left here under the name of its request. */
export function createLogoutResponse(options: LogoutResponseOptions): Promise<BrowserMessage> {
  const status = `<samlp:Status><samlp:StatusCode Value="${STATUS_SUCCESS}"/></samlp:Status>`;
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

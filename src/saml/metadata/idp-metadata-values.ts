/** Reads single values of an identity provider, from metadata or entered manually. */
import { GatewayError } from '../../errors.ts';
import { trimXmlSpace } from '../xml/white-space.ts';

const MAX_ENTITY_ID = 1024;
const MAX_URL = 2048;

/** @param detail is shown to the person who uploads the metadata, so it never repeats input */
export const invalidMetadata = (detail: string, cause?: unknown): GatewayError =>
  new GatewayError('idp_metadata_invalid', { detail, cause });

/**
 * Returns the entity ID without the white space around it. The rest is unchanged, because entity IDs are compared as exact strings.
 * @param name of the value in the error text
 * @throws idp_metadata_invalid
 * @see saml-core §8.3.6 (at most 1024 characters)
 */
export function readEntityId(text: string | undefined, name: string): string {
  const value = trimXmlSpace(text ?? '');
  if (value === '') throw invalidMetadata(`${name} is missing.`);
  if (value.length > MAX_ENTITY_ID) throw invalidMetadata(`${name} is longer than ${MAX_ENTITY_ID} characters.`);
  if (value !== value.trim() || /[\p{C}\p{Zl}\p{Zp}]/u.test(value)) {
    throw invalidMetadata(`${name} has whitespace around it or control characters in it.`);
  }
  return value;
}

/** Allows RFC 3986's characters, and a host right after the slashes. `new URL` would repair tabs, backslashes and missing slashes. */
const ABSOLUTE_HTTP_URL = /^https?:\/\/[A-Za-z0-9[][A-Za-z0-9\-._~:/?[\]@!$&'()*+,;=%]*$/i;

/**
 * Returns the URL as it is spelled, without whitespace around it.
 * @param name of the value in the error text
 * @throws idp_metadata_invalid
 */
export function readUrl(value: string | undefined, name: string): string {
  const url = value?.trim() ?? '';
  if (url.length > MAX_URL) throw invalidMetadata(`${name} is longer than ${MAX_URL} characters.`);
  if (url.includes('#')) throw invalidMetadata(`${name} must be a URL without a fragment (#…).`);
  if (!ABSOLUTE_HTTP_URL.test(url) || !URL.canParse(url)) throw invalidMetadata(`${name} must be an absolute http or https URL.`);
  if (url.split(/[/?]/, 3)[2]?.includes('@')) throw invalidMetadata(`${name} must be a URL without user name and password.`);
  return url;
}

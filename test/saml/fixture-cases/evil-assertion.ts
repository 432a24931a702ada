/** The content that attackers add to responses, and the text functions that insert it. */
import { ASSERTION, attribute, audience, bearer, confirmationData, ENTITY_ID, IDP, minutes, NAME_ID, NOW } from './hand-made.ts';

const EVIL = attribute('email', 'mallory@evil.test') + attribute('groups', 'platform-admins');

/** Returns an unsigned assertion with the values of an attacker. */
export const evilAssertion = (id = '_evil', inside = ''): string =>
  `<saml:Assertion xmlns:saml="${ASSERTION}" ID="${id}" Version="2.0" IssueInstant="${NOW}"><saml:Issuer>${IDP}</saml:Issuer>${inside}<saml:Subject>${NAME_ID.replace('u-olivia', 'u-mallory')}${bearer(confirmationData())}</saml:Subject><saml:Conditions NotOnOrAfter="${minutes(5)}">${audience(ENTITY_ID)}</saml:Conditions><saml:AuthnStatement AuthnInstant="${NOW}"/><saml:AttributeStatement>${EVIL}</saml:AttributeStatement></saml:Assertion>`;

/** Splits a text into the part before the outermost element of this name, the element, and the part after it. */
export const cut = (xml: string, name: string): [before: string, element: string, after: string] => {
  const start = xml.search(new RegExp(`<${name}[ >]`));
  const end = xml.lastIndexOf(`</${name}>`) + name.length + 3;
  return [xml.slice(0, start), xml.slice(start, end), xml.slice(end)];
};

/** Inserts text at the beginning of the first element of this name. */
export function into(xml: string, name: string, text: string): string {
  const start = xml.search(new RegExp(`<${name}[\\s/>]`));
  if (start < 0) throw new Error(`There is no ${name}.`);
  const end = xml.indexOf('>', start);
  if (xml[end - 1] === '/') return `${xml.slice(0, end - 1)}>${text}</${name}>${xml.slice(end + 1)}`;
  return xml.slice(0, end + 1) + text + xml.slice(end + 1);
}

import { XMLDSIG } from '../../../src/saml/names.ts';
import { type ElementSpan, inserted, localName, replaced, type Span, scan } from './markup.ts';
import type { Random } from './random.ts';

/**
 * Changes a text that was XML once.
 * @param others other genuine messages, to splice from
 */
export type Mutation = (random: Random, text: string, others: readonly string[]) => string;

export type Mutations = Readonly<Record<string, Mutation>>;

export const pickElement = (random: Random, text: string, ...names: string[]): ElementSpan | undefined =>
  random.pickAny(scan(text).elements.filter(({ name }) => names.length === 0 || names.includes(localName(name))));

/** Returns a position between two tokens, usually inside the root. */
export function pickGap(random: Random, text: string): number {
  const gaps = scan(text).tokens.slice(1);
  return random.pickAny(gaps)?.start ?? 0;
}

export const without = (text: string, span: Span): string => replaced(text, span, '');

export const inside = (random: Random, outer: string, inner: string): string => inserted(outer, pickGap(random, outer), inner);

/** Wrappers declare their own namespaces, because they can be inserted anywhere. */
export const BINDINGS = `xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" xmlns:ds="${XMLDSIG}"`;

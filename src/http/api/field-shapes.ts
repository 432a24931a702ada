/** Schemas of single fields of requests. */
import { z } from 'zod';
import { normalizeDomain } from '../../organizations/domains/domain-name.ts';
import { isEmail } from '../../saml/email-address.ts';

/** One line of text. Control characters would break logs, pages and files that contain it. */
export const line = (max: number) =>
  z
    .string()
    .min(1)
    .max(max)
    .regex(/^[^\p{Cc}\u2028\u2029\p{Cs}]+$/u, 'must not contain control characters or line breaks');

export function wholeNumber(min: number, max: number) {
  const message = rangeMessage(min, max);
  return z.int(message).min(min, message).max(max, message);
}

export const rangeMessage = (min: number, max: number) => `must be a whole number between ${min} and ${max}`;

export const domain = z
  .string()
  .max(1024)
  .refine((text) => normalizeDomain(text) !== undefined, 'must be a domain name such as example.com')
  .transform((text) => normalizeDomain(text) ?? text);

export const absoluteUrl = z
  .string()
  .max(2048)
  .refine((text) => URL.canParse(text) && /^https?:$/.test(new URL(text).protocol), 'must be an absolute http or https URL')
  .refine(
    (text) => !URL.canParse(text) || (new URL(text).username === '' && new URL(text).password === ''),
    'must not contain a user name or password',
  );

export const email = z.string().refine(isEmail, 'must be an email address');

export const SLUG = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{1,62}$/, 'must have 2 to 63 characters: lowercase letters, digits and hyphens, but no hyphen at the start');

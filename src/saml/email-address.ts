/**
 * Whether a text is one email address: one `@`, no white space or control characters, a domain of labels, and at most 254
 * characters (RFC 5321 §4.5.3.1.3).
 */
export const isEmail = (value: string): boolean =>
  value.length <= 254 &&
  /^[^\s@<>()[\]\\,;:"\p{C}]{1,64}@(?:[\p{L}\p{N}](?:[\p{L}\p{N}-]{0,61}[\p{L}\p{N}])?\.)*[\p{L}\p{N}](?:[\p{L}\p{N}-]{0,61}[\p{L}\p{N}])?$/u.test(
    value,
  );

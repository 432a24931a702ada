const isXmlSpace = (code: number): boolean => code === 0x20 || code === 0x09 || code === 0x0a || code === 0x0d;

/**
 * Removes the white space around an xs:anyURI, and nothing else. Other Unicode spaces are part of the value. A regular expression
 * would take quadratic time for a value with much white space inside.
 * @see XML Schema part 2 §3.2.17, §4.3.6
 */
export function trimAnyUri(value: string): string {
  let start = 0;
  let end = value.length;
  while (start < end && isXmlSpace(value.charCodeAt(start))) start++;
  while (end > start && isXmlSpace(value.charCodeAt(end - 1))) end--;
  return value.slice(start, end);
}

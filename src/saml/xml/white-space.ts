/**
 * Removes the white space around a value: space, tab, line feed and carriage return. JavaScript's `trim()` removes more, for example
 * U+00A0, which XML Schema keeps. The loops take linear time, which the pattern `\s+$` does not.
 * @see XML Schema part 2 §4.3.6 (`collapse`, for xs:anyURI)
 */
export function trimXmlSpace(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && isXmlSpace(text.charCodeAt(start))) start++;
  while (end > start && isXmlSpace(text.charCodeAt(end - 1))) end--;
  return text.slice(start, end);
}

const isXmlSpace = (code: number): boolean => code === 0x20 || code === 0x09 || code === 0x0a || code === 0x0d;

/** Reads the forms and links of pages with well-formed markup, like those of the gateway and the mock identity provider. */

export interface FormField {
  readonly name: string;
  /** `submit`, `hidden`, `text`…; `select` and `textarea` for those elements. */
  readonly type: string;
  readonly value: string;
  /** False for buttons, and for check boxes and radio buttons that are not selected. They are sent only if a test sets them. */
  readonly isSent: boolean;
}

export interface Form {
  /** Absolute URL. */
  readonly action: string;
  readonly method: 'GET' | 'POST';
  readonly encoding: string;
  readonly fields: readonly FormField[];
}

type Attributes = ReadonlyMap<string, string>;

interface Element {
  readonly name: string;
  readonly attributes: Attributes;
  /** Markup between the tags. Empty for void elements. */
  readonly content: string;
}

const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

const decode = (text: string): string =>
  text.replace(/&(?:#x([0-9a-f]+)|#(\d+)|(\w+));/gi, (all, hex?: string, decimal?: string, name = '') => {
    if (hex !== undefined || decimal !== undefined) return String.fromCodePoint(hex ? Number.parseInt(hex, 16) : Number(decimal));
    return ENTITIES[name] ?? all;
  });

const readAttributes = (tag: string): Attributes =>
  new Map(
    [...tag.matchAll(/([^\s"'<>/=]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+)))?/g)].map(([, name = '', double, single, bare]) => [
      name.toLowerCase(),
      decode(double ?? single ?? bare ?? ''),
    ]),
  );

/** Returns the elements with these names in document order. They must not be nested in an element of the same name. */
function elements(html: string, names: readonly string[]): Element[] {
  const tag = new RegExp(`<(${names.join('|')})((?:\\s(?:[^>"']|"[^"]*"|'[^']*')*)?)>`, 'gi');
  return [...html.replace(/<!--[\s\S]*?-->/g, '').matchAll(tag)].map((match) => {
    const name = match[1]?.toLowerCase() ?? '';
    const after = match.input.slice(match.index + match[0].length);
    const end = name === 'input' ? 0 : after.search(new RegExp(`</${name}\\s*>`, 'i'));
    return { name, attributes: readAttributes(match[2] ?? ''), content: after.slice(0, Math.max(end, 0)) };
  });
}

export function readForms(html: string, url: string): Form[] {
  return elements(html, ['form']).map(({ attributes, content }) => ({
    action: new URL(attributes.get('action') || url, url).href,
    method: attributes.get('method')?.toLowerCase() === 'post' ? 'POST' : 'GET',
    encoding: attributes.get('enctype') ?? 'application/x-www-form-urlencoded',
    fields: elements(content, ['input', 'button', 'select', 'textarea']).flatMap(readField),
  }));
}

function readField({ name: element, attributes, content }: Element): FormField[] {
  const name = attributes.get('name');
  const type =
    element === 'input' ? (attributes.get('type')?.toLowerCase() ?? 'text') : element === 'button' ? buttonType(attributes) : element;
  if (!name || attributes.has('disabled') || type === 'button' || type === 'reset') return [];
  const isBox = type === 'checkbox' || type === 'radio';
  const isSent = isBox ? attributes.has('checked') : type !== 'submit' && type !== 'file';
  return [{ name, type, value: givenValue(element, attributes, content) ?? (isBox ? 'on' : ''), isSent }];
}

const buttonType = (attributes: Attributes): string => attributes.get('type')?.toLowerCase() ?? 'submit';

function givenValue(element: string, attributes: Attributes, content: string): string | undefined {
  if (element === 'textarea') return decode(content);
  if (element !== 'select') return attributes.get('value');
  const options = elements(content, ['option']);
  const chosen = options.find((option) => option.attributes.has('selected')) ?? options[0];
  return chosen && (chosen.attributes.get('value') ?? textOf(chosen.content));
}

/** Returns the visible text, with white space and block boundaries as one space. */
export const textOf = (html: string): string =>
  decode(html.replace(/<\/?(?:a|b|code|em|span|strong|wbr)(?:\s[^>]*)?\/?>/g, '').replace(/<[^>]*>/g, ' '))
    .replace(/\s+/g, ' ')
    .trim();

export interface Link {
  readonly href: string;
  readonly text: string;
}

export function readLinks(html: string, url: string): Link[] {
  return elements(html, ['a']).flatMap(({ attributes, content }) => {
    const href = attributes.get('href');
    return href === undefined ? [] : [{ href: new URL(href, url).href, text: textOf(content) }];
  });
}

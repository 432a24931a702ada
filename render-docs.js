// Renders the documentation, which the gateway serves at /docs. `npm run build` writes the result into the package. Raw HTML in the
// Markdown is escaped, and links to files that the gateway does not serve become text.
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import markdownIt from 'markdown-it';

/** Pages by file, in the order of the navigation. The README is the index. */
export function docsPages(root) {
  const examples = readdirSync(path.join(root, 'config/idp-examples')).filter((name) => name.endsWith('.yaml'));
  const others = readdirSync(path.join(root, 'docs')).filter((name) => name.endsWith('.md') && !GUIDES.includes(name));
  return new Map([
    ['README.md', '/docs'],
    ...[...GUIDES, ...others].map((name) => [`docs/${name}`, `/docs/${path.parse(name).name}`]),
    ['docker/README.md', '/docs/docker'],
    ['SECURITY.md', '/docs/security'],
    ['CHANGELOG.md', '/docs/changelog'],
    ['CONTRIBUTING.md', '/docs/contributing'],
    ['config/several-connections.yaml', '/docs/examples/several-connections'],
    ...examples.map((name) => [`config/idp-examples/${name}`, `/docs/examples/${path.parse(name).name}`]),
  ]);
}

const GUIDES = [
  'identity-providers.md',
  'configuration.md',
  'operations.md',
  'api.md',
  'python.md',
  'errors.md',
  'saml-checks.md',
  'architecture.md',
];

/**
 * Returns the pages as `{ path, title, html, headings: [{ level, id, text }] }`, and the files of their images by name.
 * @param root the folder of the repository
 */
export function renderDocs(root) {
  const pages = docsPages(root);
  const images = {};
  const rendered = [...pages].map(([file, at]) => {
    const text = readFileSync(path.join(root, file), 'utf8');
    const resolve = (target) => resolveLink(pages, file, target);
    const addImage = (target) => {
      const image = path.join(root, path.dirname(file), target);
      const name = nameWithHash(image);
      images[name] = image;
      return `/docs/images/${name}`;
    };
    return { path: at, ...(file.endsWith('.md') ? renderMarkdown(text, { resolve, addImage }) : renderExample(path.basename(file), text)) };
  });
  return { pages: rendered, images };
}

/** Returns the name of an image with a hash of its content, so that browsers can keep it forever. */
function nameWithHash(image) {
  if (!existsSync(image)) throw new Error(`The documentation shows an image that does not exist: ${image}`);
  const { name, ext } = path.parse(image);
  return `${name}.${createHash('sha256').update(readFileSync(image)).digest('base64url').slice(0, 10)}${ext}`;
}

/** Returns where a link leads: the address itself, the path of a page, or undefined for files that the gateway does not serve. */
function resolveLink(pages, file, target) {
  if (/^(?:https?:|mailto:|#)/.test(target)) return target;
  const [name, anchor] = target.split('#');
  const at = pages.get(path.posix.join(path.posix.dirname(file), name));
  return at === undefined ? undefined : `${at}${anchor === undefined ? '' : `#${anchor}`}`;
}

const renderExample = (name, text) => ({
  title: name,
  headings: [],
  html: `<h1>${escapeHtml(name)}</h1>\n${codeBlock('YAML', text)}`,
});

const escapeHtml = (text) => text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);

/** Wide code scrolls, so it can receive the focus. */
const codeBlock = (label, text) =>
  `<div class="sample"><p>${escapeHtml(label)}</p><pre tabindex="0"><code>${escapeHtml(text)}</code></pre></div>\n`;

const LANGUAGES = { sh: 'Shell', js: 'JavaScript', ts: 'TypeScript', python: 'Python', json: 'JSON', yaml: 'YAML', xml: 'XML' };

/**
 * Renders one page.
 * @param resolve returns the address of a link, or undefined to make it text
 * @param addImage returns the address of an image
 */
export function renderMarkdown(text, { resolve, addImage }) {
  const markdown = markdownIt({ html: false, linkify: false, typographer: false });
  // Only marks where generated tables begin and end.
  const source = text.replace(/^<!--.*-->$/gm, '');
  const tokens = markdown.parse(source, {});
  const ids = new Set();
  const headings = [];
  for (const [at, token] of tokens.entries()) {
    if (token.type === 'heading_open') {
      const heading = { level: Number(token.tag.slice(1)), text: textOf(tokens[at + 1]) };
      const id = uniqueId(ids, anchorOf(heading.text));
      token.attrSet('id', id);
      headings.push({ ...heading, id });
    }
    if (token.type === 'inline') token.children = withLinks(token.children, { resolve, addImage });
  }
  nameRows(tokens, ids);
  const { rules } = markdown.renderer;
  rules.heading_close = (list, at) =>
    list[at].tag === 'h1'
      ? '</h1>\n'
      : ` <a class="anchor" href="#${list[at - 2].attrGet('id')}" aria-label="Link to this section">#</a></${list[at].tag}>\n`;
  rules.fence = (list, at) => codeBlock(LANGUAGES[list[at].info] ?? (list[at].info || 'Text'), list[at].content);
  rules.table_open = () => '<div class="scroll" tabindex="0"><table>\n';
  rules.table_close = () => '</table></div>\n';
  const html = markdown.renderer.render(tokens, markdown.options, {});
  return { title: headings[0]?.text ?? '', headings, html };
}

const textOf = ({ children }) => children.map(({ content }) => content).join('');

/** Builds anchors as GitHub does. */
export const anchorOf = (heading) =>
  heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-');

function uniqueId(ids, wanted) {
  let id = wanted;
  for (let count = 1; ids.has(id); count++) id = `${wanted}-${count}`;
  ids.add(id);
  return id;
}

/** Gives an ID to each table row whose first cell is only code, such as an error code or a setting. */
function nameRows(tokens, ids) {
  for (const [at, token] of tokens.entries()) {
    if (token.type !== 'td_open' || tokens[at - 1].type !== 'tr_open') continue;
    const [only, ...rest] = tokens[at + 1].children;
    if (only?.type === 'code_inline' && rest.length === 0 && /^[\w.-]+$/.test(only.content) && !ids.has(only.content)) {
      tokens[at - 1].attrSet('id', only.content);
      ids.add(only.content);
    }
  }
}

function withLinks(children, { resolve, addImage }) {
  const dropped = [];
  return children.filter((token) => {
    if (token.type === 'image') token.attrSet('src', addImage(token.attrGet('src')));
    if (token.type === 'link_open') {
      const target = resolve(decodeURI(token.attrGet('href')));
      dropped.push(target === undefined);
      if (target === undefined) return false;
      token.attrSet('href', target);
      if (/^https?:/.test(target)) token.attrSet('rel', 'noreferrer');
    }
    return token.type !== 'link_close' || !dropped.pop();
  });
}

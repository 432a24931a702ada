import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { parseSync } from '@swc/core';

const SRC = path.join(import.meta.dirname, '../src');
const pages = ['console', 'http'].flatMap((folder) =>
  (readdirSync(path.join(SRC, folder), { recursive: true }) as string[])
    .filter((file) => file.endsWith('.tsx'))
    .map((file) => path.join(folder, file)),
);

// biome-ignore lint/suspicious/noExplicitAny: the nodes of the parser have many types
type Node = any;

/** Attributes of elements, and properties of columns and links, that users read. */
const READ = /^(?:about|alt|aria-label|data-confirm|hint|label|lead|placeholder|question|title|what|yes)$/;

/** Returns the texts outside of tables, which are constants such as TEXTS. Code is no text, and neither is a single word in quotes. */
function looseTexts(node: Node, isRead = false): string[] {
  if (Array.isArray(node)) return node.flatMap((child) => looseTexts(child, isRead));
  if (typeof node !== 'object' || node === null) return [];
  if (node.type === 'VariableDeclarator' && /^[A-Z_]+$/.test(node.id.value)) return [];
  if (node.type === 'JSXElement' && node.opening.name.value === 'code') return [];
  if (node.type === 'JSXText') return /\p{L}/u.test(node.value) ? [node.value.trim()] : [];
  const text = node.type === 'StringLiteral' ? node.value : node.type === 'TemplateElement' ? node.raw : '';
  if ((isRead && /\p{L}+ \p{L}|^\p{Lu}\p{Ll}/u.test(text)) || /^\p{Lu}.* .*[.?]$/u.test(text)) return [text];
  if (node.type === 'JSXAttribute') return looseTexts(node.value, READ.test(node.name.value));
  const isReadHere = isRead || node.type === 'JSXElement' || (node.type === 'KeyValueProperty' && READ.test(node.key.value));
  return Object.values(node).flatMap((child) => looseTexts(child, isReadHere));
}

describe('texts of pages', () => {
  it.each(pages)('%s has its texts in tables', (file) => {
    expect(looseTexts(parseSync(readFileSync(path.join(SRC, file), 'utf8'), { syntax: 'typescript', tsx: true }).body)).toEqual([]);
  });
});

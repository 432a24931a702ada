/**
 * The files that pages load. Their addresses contain a hash of the content, so that browsers can keep them forever and still load a
 * new version immediately.
 */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { ASSETS, picoStyleSheet } from '../files.ts';
import { sha256 } from '../ids.ts';

export interface Asset {
  readonly name: string;
  /** The path with the hash, such as `/assets/style.1a2b3c4d5e.css`. */
  readonly url: string;
  readonly body: Buffer;
}

const HASH_LENGTH = 10;

let assets: ReadonlyMap<string, Asset> | undefined;

/** Returns all files by name. They are read once. */
function allAssets(): ReadonlyMap<string, Asset> {
  assets ??= readAssets();
  return assets;
}

/** Returns the path of a file that pages load. @throws Error if there is no such file */
export function assetUrl(name: string): string {
  const asset = allAssets().get(name);
  if (!asset) throw new Error(`there is no asset ${name}`);
  return asset.url;
}

/** Returns the file of a path, with or without a hash, and whether the hash is that of its present content. */
export function findAsset(fileName: string): { readonly asset: Asset; readonly isCurrent: boolean } | undefined {
  const name = fileName.replace(/\.[A-Za-z0-9_-]{10}(?=\.\w+$)/, '');
  const asset = allAssets().get(name);
  return asset && { asset, isCurrent: asset.url === `/assets/${fileName}` };
}

function readAssets(): ReadonlyMap<string, Asset> {
  const found = new Map<string, Asset>();
  const add = (name: string, body: Buffer) => found.set(name, { name, url: urlOf(name, body), body });
  const names = readdirSync(ASSETS);
  for (const name of names.filter((each) => each !== 'style.css')) add(name, readFileSync(path.join(ASSETS, name)));
  add(
    'style.css',
    styleSheet((name) => found.get(name)?.url ?? `/assets/${name}`),
  );
  return found;
}

function urlOf(name: string, body: Buffer): string {
  const { name: stem, ext } = path.parse(name);
  return `/assets/${stem}.${sha256(body).slice(0, HASH_LENGTH)}${ext}`;
}

/**
 * Returns Pico's style sheet followed by ours, as one file. With two files, a browser could apply Pico's before ours arrives and
 * request its images, which the Content-Security-Policy forbids.
 */
function styleSheet(url: (name: string) => string): Buffer {
  const own = readFileSync(path.join(ASSETS, 'style.css'), 'utf8');
  const linked = compact(own).replace(/url\("\/assets\/([^"]+)"\)/g, (_, name: string) => `url("${url(name)}")`);
  // Pages follow the color scheme of the browser and never set a theme.
  const pico = readFileSync(picoStyleSheet(), 'utf8').replace(/(?<=\})\[data-theme=dark\]\{[^}]*\}/g, '');
  return Buffer.from(`${pico}\n${linked}`);
}

/** Removes comments, and the white space after `{`, `}`, `;` and `,`. */
const compact = (css: string): string => css.replace(/\/\*.*?\*\//gs, '').replace(/([{};,])\s+/g, '$1');

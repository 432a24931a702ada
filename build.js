// `npm run build` creates what the package and the image contain. The code is bundled, because a gateway would otherwise load 500
// modules at its start, which takes twice as long and 6 MB more memory. It is not minified, so that stack traces stay readable.
// `node build.js DIRECTORY` builds into that directory instead of dist/.
import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { build } from 'esbuild';
import { renderDocs } from './render-docs.js';

const ROOT = import.meta.dirname;
const OUT = path.resolve(process.argv[2] ?? path.join(ROOT, 'dist'));
const MODULES = path.join(ROOT, 'node_modules');

rmSync(OUT, { recursive: true, force: true });
execFileSync(
  process.execPath,
  [path.join(MODULES, 'typescript/bin/tsc'), '-p', path.join(ROOT, 'tsconfig.types.json'), '--outDir', path.join(OUT, 'types')],
  {
    stdio: 'inherit',
  },
);
const { metafile } = await build({
  absWorkingDir: ROOT,
  entryPoints: { main: 'src/main.ts', client: 'src/client/index.ts', express: 'src/client/express.ts' },
  outdir: OUT,
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node22.18',
  // An optional dependency of one of the packages. It is installed here only because Jest depends on it.
  external: ['supports-color'],
  // CommonJS packages load built-in modules with require().
  banner: { js: "import { createRequire as makeRequire } from 'node:module';\nconst require = makeRequire(import.meta.url);" },
  legalComments: 'eof',
  // Identifies packages by the path in node_modules, even if it is a symbolic link.
  preserveSymlinks: true,
  metafile: true,
  logLevel: 'warning',
});
chmodSync(path.join(OUT, 'main.js'), 0o755);
cpSync(path.join(ROOT, 'src/console/assets'), path.join(OUT, 'console/assets'), { recursive: true });
cpSync(path.join(MODULES, '@picocss/pico/css/pico.min.css'), path.join(OUT, 'pico.min.css'));
// The package `open` runs xdg-open from its own folder if the system has none.
cpSync(path.join(MODULES, 'open/xdg-open'), path.join(OUT, 'xdg-open'));
const { pages, images } = renderDocs(ROOT);
writeFileSync(path.join(OUT, 'docs.json'), JSON.stringify({ pages, images: Object.keys(images) }));
mkdirSync(path.join(OUT, 'docs-images'));
for (const [name, file] of Object.entries(images)) cpSync(file, path.join(OUT, 'docs-images', name));
const packages = packagesOf(Object.keys(metafile.inputs));
refuseDevelopmentPackages(packages);
writeFileSync(path.join(OUT, 'THIRD-PARTY-LICENSES.txt'), licensesOf(packages));

/** Returns the folders of the packages that these files belong to. */
function packagesOf(files) {
  const folders = new Set(
    files.map((file) => /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/.exec(file)?.[0]).filter((folder) => folder !== undefined),
  );
  return [...folders].sort();
}

/** Fails if the bundle contains a package that `npm audit --omit=dev` does not check. */
function refuseDevelopmentPackages(folders) {
  const { packages: locked } = JSON.parse(readFileSync(path.join(ROOT, 'package-lock.json'), 'utf8'));
  const wrong = folders.filter((folder) => !locked[folder] || locked[folder].dev);
  if (wrong.length > 0)
    throw new Error(
      `The bundle contains packages that are not production dependencies: ${wrong.join(', ')}. Move them to "dependencies" in package.json.`,
    );
}

/** Returns the licenses of the bundled packages, which must be distributed with their code. */
function licensesOf(folders) {
  const texts = folders.map((folder) => {
    const { name, version, license, author } = JSON.parse(readFileSync(path.join(ROOT, folder, 'package.json'), 'utf8'));
    const file = readdirSync(path.join(ROOT, folder)).find((each) => /^licen[cs]e/i.test(each));
    return `${name} ${version} (${license})\n\n${file ? readFileSync(path.join(ROOT, folder, file), 'utf8').trim() : `The package contains no license text. Author: ${author?.name ?? author}`}\n`;
  });
  return texts.join(`\n${'-'.repeat(80)}\n\n`);
}

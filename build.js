// `npm run build`: what the package and the image hold. All code in few files, as a start of the gateway reads 500 modules
// otherwise, which takes twice the time and 6 MB more; not minified, so that a stack trace and a reviewer can read it.
// `node build.js DIRECTORY` builds to there instead of dist/.
import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { build } from 'esbuild';

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
  // A part of Jest's that one of our packages takes where it finds it.
  external: ['supports-color'],
  // For CommonJS packages, which ask for Node's own modules this way.
  banner: { js: "import { createRequire as makeRequire } from 'node:module';\nconst require = makeRequire(import.meta.url);" },
  legalComments: 'eof',
  // Packages go by where they are installed, wherever that is a link to.
  preserveSymlinks: true,
  metafile: true,
  logLevel: 'warning',
});
chmodSync(path.join(OUT, 'main.js'), 0o755);
cpSync(path.join(ROOT, 'src/console/assets'), path.join(OUT, 'console/assets'), { recursive: true });
cpSync(path.join(MODULES, '@picocss/pico/css/pico.min.css'), path.join(OUT, 'pico.min.css'));
// The package `open` runs it where the system has none; it looks for it beside its own code.
cpSync(path.join(MODULES, 'open/xdg-open'), path.join(OUT, 'xdg-open'));
// The viewer's package reports installations to a third party, so it is no dependency of ours.
for (const file of ['swagger-ui.css', 'swagger-ui-bundle.js', 'LICENSE', 'NOTICE']) {
  cpSync(path.join(MODULES, 'swagger-ui-dist', file), path.join(OUT, 'api-viewer', file));
}
const packages = packagesOf(Object.keys(metafile.inputs));
refuseDevelopmentPackages(packages);
writeFileSync(path.join(OUT, 'THIRD-PARTY-LICENSES.txt'), licensesOf(packages));

/** The folders of the packages that these files belong to. */
function packagesOf(files) {
  const folders = new Set(
    files.map((file) => /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/.exec(file)?.[0]).filter((folder) => folder !== undefined),
  );
  return [...folders].sort();
}

/** What ships must be what `npm audit --omit=dev` looks at. */
function refuseDevelopmentPackages(folders) {
  const { packages: locked } = JSON.parse(readFileSync(path.join(ROOT, 'package-lock.json'), 'utf8'));
  const wrong = folders.filter((folder) => !locked[folder] || locked[folder].dev);
  if (wrong.length > 0) throw new Error(`These are no dependencies of what ships, and got into it: ${wrong.join(', ')}`);
}

/** Each with its licence, which goes where its code goes. */
function licensesOf(folders) {
  const texts = folders.map((folder) => {
    const { name, version, license, author } = JSON.parse(readFileSync(path.join(ROOT, folder, 'package.json'), 'utf8'));
    const file = readdirSync(path.join(ROOT, folder)).find((each) => /^licen[cs]e/i.test(each));
    return `${name} ${version} (${license})\n\n${file ? readFileSync(path.join(ROOT, folder, file), 'utf8').trim() : `Its package has no licence text. Author: ${author?.name ?? author}`}\n`;
  });
  return texts.join(`\n${'-'.repeat(80)}\n\n`);
}

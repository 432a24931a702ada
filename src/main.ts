#!/usr/bin/env node
/** The command `samlgate`. Imports nothing before the check, because an older Node.js can load neither `node:sqlite` nor newer syntax. */
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major < 22 || (major === 22 && minor < 18)) {
  process.stderr.write(`samlgate needs Node.js 22.18 or newer. This is ${process.versions.node}.\n`);
  process.exit(1);
}
const { runCommandLine } = await import('./cli/command-line.ts');
await runCommandLine();

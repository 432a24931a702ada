import { execFile, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Command } from 'commander';
import { addCompletion } from '../../src/cli/commands/completion.ts';
import { addOrg } from '../../src/cli/commands/org.ts';
import { addStore } from '../../src/cli/commands/store.ts';
import { bashCompletion } from '../../src/cli/completion/bash.ts';
import { allCommands, readCommandTree } from '../../src/cli/completion/command-tree.ts';
import { fishCompletion } from '../../src/cli/completion/fish.ts';
import { zshCompletion } from '../../src/cli/completion/zsh.ts';
import { type Home, makeHome } from '../support/command.ts';

let home: Home;
/** The scripts by shell, as the command prints them. */
const files: Record<string, string> = {};

beforeAll(async () => {
  home = makeHome();
  for (const shell of ['bash', 'zsh', 'fish']) {
    const { code, stdout, stderr } = await home.run(['completion', shell]);
    expect([code, stderr]).toEqual([0, '']);
    files[shell] = path.join(home.directory, `samlgate.${shell}`);
    writeFileSync(files[shell], stdout);
  }
}, 60_000);
afterAll(() => home.remove());

const isInstalled = (shell: string): boolean => spawnSync(shell, ['-c', 'true']).status === 0;

/** Returns what bash proposes for the last word. */
async function inBash(...words: string[]): Promise<string[]> {
  const script = `source "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _samlgate; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { stdout, stderr } = await promisify(execFile)('bash', ['-c', script, files.bash ?? '', ...words]);
  expect(stderr).toBe('');
  return stdout.split('\n').filter((line) => line !== '');
}

describe('samlgate completion bash', () => {
  test.each<[string[], string[]]>([
    [['samlgate', 'who'], ['whoami']],
    [
      ['samlgate', 'org', 'set-'],
      ['set-idp', 'set-quotas', 'set-roles'],
    ],
    [
      ['samlgate', 'org', 'domain', ''],
      ['list', 'add', 'verify', 'remove'],
    ],
    [['samlgate', 'login', '--p'], ['--print-token']],
    [
      ['samlgate', 'org', 'set-roles', 'acme', '--default', ''],
      ['owner', 'collaborator', 'none'],
    ],
    [['samlgate', 'org', 'set-roles', 'acme', '--default', '=', 'o'], ['owner']],
    [['samlgate', 'connection', 'set', 'acme', 'con_1', '--sign-requests', 't'], ['true']],
    [
      ['samlgate', 'completion', ''],
      ['bash', 'zsh', 'fish'],
    ],
    // Bash completes file names where nothing is proposed.
    [['samlgate', 'org', 'set-idp', 'acme', ''], []],
    [['samlgate', 'connection', 'set', '--metadata', ''], []],
    // A word of the user is data, never a command.
    [['samlgate', '$(touch hacked)', '`touch hacked`'], []],
  ])('completes %j', async (words, proposals) => {
    expect((await inBash(...words)).sort()).toEqual([...proposals].sort());
  });
});

describe('samlgate completion', () => {
  const program = new Command('samlgate');
  for (const add of [addOrg, addStore, addCompletion]) add(program);

  test.each([
    ['bash', bashCompletion],
    ['zsh', zshCompletion],
    ['fish', fishCompletion],
  ])('has each command, option and value in the script for %s', (shell, scriptOf) => {
    const tree = readCommandTree(program);
    const script = scriptOf(tree);
    for (const { path: commandPath, options, values } of allCommands(tree)) {
      expect(script).toContain(commandPath);
      for (const { word, values: possible } of options) {
        expect(script).toContain(shell === 'fish' ? `-l ${word.slice(2)}` : word);
        for (const value of possible) expect(script).toContain(value);
      }
      for (const value of values) expect(script).toContain(value);
    }
  });

  test('has only words that no shell expands', () => {
    for (const { word, options, values } of allCommands(readCommandTree(program)))
      for (const each of [word, ...values, ...options.flatMap((option) => [option.word, ...option.values])])
        expect(each).toMatch(/^[\w-]+$/);
  });

  test('quotes descriptions', () => {
    const tree = readCommandTree(new Command('samlgate').addCommand(new Command('x').description("it's a: $(touch hacked) \\")));
    expect(zshCompletion(tree)).toContain("'x:it'\\''s a\\: $(touch hacked) \\'");
    expect(fishCompletion(tree)).toContain("-d 'it\\'s a: $(touch hacked) \\\\'");
  });

  test.each(['bash', 'zsh', 'fish'])('prints a script whose syntax %s accepts, if it is installed', (shell) => {
    if (!isInstalled(shell)) return;
    const { status, stderr } = spawnSync(shell, ['-n', files[shell] ?? ''], { encoding: 'utf8' });
    expect([status, stderr]).toEqual([0, '']);
  });

  test('completes in fish, if it is installed', () => {
    if (!isInstalled('fish')) return;
    const proposalsFor = (line: string) => {
      const { stdout } = spawnSync('fish', ['--no-config', '-c', `source ${files.fish}; complete -C '${line}'`], { encoding: 'utf8' });
      return stdout.split('\n').flatMap((each) => each.split('\t')[0] || []);
    };
    expect(proposalsFor('samlgate org set-')).toEqual(['set-idp', 'set-quotas', 'set-roles']);
    expect(proposalsFor('samlgate org set-roles acme --default ')).toEqual(['collaborator', 'none', 'owner']);
    expect(proposalsFor('samlgate login --print')).toEqual(['--print-token']);
  });

  test('refuses another shell', async () => {
    const { code, stderr } = await home.run(['completion', 'tcsh']);
    expect([code, stderr]).toEqual([2, expect.stringContaining('Allowed choices are bash, zsh, fish.')]);
    expect((await home.run(['completion'])).stderr).toContain("missing required argument 'bash|zsh|fish'");
  });
});

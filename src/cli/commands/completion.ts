/** `samlgate completion`: prints a script that completes commands, options and values in a shell. */
import { Argument, type Command } from 'commander';
import { bashCompletion } from '../completion/bash.ts';
import { type CommandNode, readCommandTree } from '../completion/command-tree.ts';
import { fishCompletion } from '../completion/fish.ts';
import { zshCompletion } from '../completion/zsh.ts';
import { examplesText } from '../help.ts';
import { printLines } from '../output.ts';

const SHELLS: Readonly<Record<string, (program: CommandNode) => string>> = {
  bash: bashCompletion,
  zsh: zshCompletion,
  fish: fishCompletion,
};

export function addCompletion(program: Command): void {
  program
    .command('completion')
    .description('print a script that completes commands, options and values in a shell')
    .addArgument(new Argument('<bash|zsh|fish>', 'your shell').choices(Object.keys(SHELLS)))
    .addHelpText(
      'after',
      '\nTo complete in every new shell, put one of these lines into ~/.bashrc, ~/.zshrc or ~/.config/fish/config.fish.',
    )
    .addHelpText(
      'after',
      examplesText([
        'samlgate completion bash',
        'source <(samlgate completion bash)',
        'source <(samlgate completion zsh)',
        'samlgate completion fish | source',
      ]),
    )
    .action((shell: string) => {
      const script = SHELLS[shell]?.(readCommandTree(program)) ?? '';
      printLines(script.trimEnd());
    });
}

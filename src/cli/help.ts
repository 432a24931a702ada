/** Examples in the help of every command, and options whose values are listed there. */
import { type Command, Option } from 'commander';

/**
 * Creates an option whose values the help lists and shells complete. The gateway checks the value, so that a newer gateway can accept
 * more values.
 */
export function optionWithValues(flags: string, description: string, values: readonly string[]): Option {
  const option = new Option(flags, description);
  option.argChoices = [...values];
  return option;
}

/** Returns the examples of a command as its help prints them, without indentation. */
export function examplesOf(command: Command): string[] {
  const before = command.configureOutput();
  let help = '';
  command.configureOutput({ writeOut: (text) => (help += text) }).outputHelp();
  command.configureOutput(before);
  return [...help.matchAll(/^ {2}(samlgate .*)$/gm)].map(([, example = '']) => example);
}

/** Adds to the help of each group one example of each of its commands. */
export function addGroupExamples(command: Command): void {
  for (const child of command.commands) {
    if (child.commands.length === 0) continue;
    addGroupExamples(child);
    child.addHelpText('after', () => examplesText(child.commands.flatMap((each) => examplesOf(each).slice(0, 1))));
  }
}

export const examplesText = (examples: readonly string[]): string =>
  `\n${examples.length === 1 ? 'Example' : 'Examples'}:\n${examples.map((example) => `  ${example}`).join('\n')}`;

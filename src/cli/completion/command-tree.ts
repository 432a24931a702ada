/** Reads the commands of the command line as shells complete them. Everything comes from the definitions of the commands. */
import type { Command, Option } from 'commander';

/** A word with its description, such as a command or an option. */
export interface Word {
  readonly word: string;
  readonly description: string;
}

interface OptionNode extends Word {
  readonly takesValue: boolean;
  /** Possible values; empty if any text is allowed, which shells complete as a file name. */
  readonly values: readonly string[];
}

export interface CommandNode extends Word {
  /** All words up to this command, such as `samlgate org create`. */
  readonly path: string;
  /** Empty unless this is a group of commands. */
  readonly commands: readonly CommandNode[];
  readonly options: readonly OptionNode[];
  readonly takesArguments: boolean;
  /** Possible values of the first argument; empty if any text is allowed. */
  readonly values: readonly string[];
}

const HELP: OptionNode = { word: '--help', description: 'display help', takesValue: false, values: [] };

/** Returns the program with all its commands, which must have been added before. */
export function readCommandTree(command: Command, parents: readonly string[] = []): CommandNode {
  const names = [...parents, command.name()];
  return {
    word: command.name(),
    description: command.description(),
    path: names.join(' '),
    commands: command.commands.map((each) => readCommandTree(each, names)),
    options: [...command.options.filter(({ hidden, long }) => !hidden && long != null).map(readOption), HELP],
    takesArguments: command.registeredArguments.length > 0,
    values: command.registeredArguments[0]?.argChoices ?? [],
  };
}

const readOption = (option: Option): OptionNode => ({
  word: option.long ?? '',
  description: option.description,
  takesValue: option.required || option.optional,
  values: option.argChoices ?? [],
});

/** Returns the command and all commands below it. */
export const allCommands = (node: CommandNode): CommandNode[] => [node, ...node.commands.flatMap(allCommands)];

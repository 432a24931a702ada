import { allCommands, type CommandNode } from './command-tree.ts';

const quote = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;

/** Returns a script for fish. */
export function fishCompletion(program: CommandNode): string {
  const nodes = allCommands(program);
  const paths = nodes.slice(1).map(({ path }) => quote(path));
  return `# fish completion for samlgate. Load it with: samlgate completion fish | source
function __samlgate_at
  set -l cmd samlgate
  for word in (commandline -opc)[2..-1]
    if contains -- "$cmd $word" ${paths.join(' ')}
      set cmd "$cmd $word"
    end
  end
  test "$cmd" = "$argv[1]"
end
complete -c samlgate -f
${nodes.flatMap(linesOf).join('\n')}
`;
}

function linesOf({ path, commands, options, takesArguments, values }: CommandNode): string[] {
  const at = `complete -c samlgate -n ${quote(`__samlgate_at "${path}"`)}`;
  const words = commands.map(({ word, description }) => `${at} -a ${word} -d ${quote(description)}`);
  const choices = values.map((value) => `${at} -a ${value}`);
  const files = takesArguments && values.length === 0 ? [`${at} -F`] : [];
  const flags = options.map(({ word, description, takesValue, values: possible }) => {
    const value = !takesValue ? '' : possible.length === 0 ? ' -r -F' : ` -x -a ${quote(possible.join(' '))}`;
    return `${at} -l ${word.slice(2)}${value} -d ${quote(description)}`;
  });
  return [...words, ...choices, ...files, ...flags];
}

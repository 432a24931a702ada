import { allCommands, type CommandNode, type Word } from './command-tree.ts';

/** Quotes a word with its description for `_describe`. */
const item = ({ word, description }: Word): string => `'${word}:${description.replaceAll(':', '\\:').replaceAll("'", "'\\''")}'`;

/** Returns a script for zsh, which can be evaluated or saved as `_samlgate` in a folder of `fpath`. */
export function zshCompletion(program: CommandNode): string {
  const nodes = allCommands(program);
  const paths = nodes.slice(1).map(({ path }) => `'${path}'`);
  const values = nodes.flatMap(({ path, options }) =>
    options
      .filter(({ takesValue }) => takesValue)
      .map(({ word, values }) => `    '${path} ${word}') ${values.length === 0 ? '_files' : `compadd -- ${values.join(' ')}`}; return ;;`),
  );
  const options = nodes.map((node) => `      '${node.path}') items=(${node.options.map(item).join(' ')}) ;;`);
  const commands = nodes
    .filter((node) => node.commands.length > 0)
    .map((node) => `      '${node.path}') items=(${node.commands.map(item).join(' ')}) ;;`);
  const choices = nodes
    .filter((node) => node.values.length > 0)
    .map((node) => `      '${node.path}') compadd -- ${node.values.join(' ')}; return ;;`);
  return `#compdef samlgate
# zsh completion for samlgate. Load it with: source <(samlgate completion zsh)
_samlgate() {
  local cmd='samlgate' word
  local -a items
  for word in "\${(@)words[2,CURRENT-1]}"; do
    case "$cmd $word" in
      ${paths.join('|')}) cmd="$cmd $word" ;;
    esac
  done
  case "$cmd \${words[CURRENT-1]}" in
${values.join('\n')}
  esac
  if [[ "$PREFIX" == -* ]]; then
    case "$cmd" in
${options.join('\n')}
    esac
  else
    case "$cmd" in
${[...commands, ...choices].join('\n')}
      *) _files; return ;;
    esac
  fi
  _describe 'samlgate' items
}
if [[ "$funcstack[1]" == '_samlgate' ]]; then _samlgate "$@"; else compdef _samlgate samlgate; fi
`;
}

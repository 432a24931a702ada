import { allCommands, type CommandNode } from './command-tree.ts';

/**
 * Returns a script for bash. Without a match it proposes nothing, so that bash completes file names (`-o default`).
 */
export function bashCompletion(program: CommandNode): string {
  const nodes = allCommands(program);
  const paths = nodes.slice(1).map(({ path }) => `'${path}'`);
  const values = nodes.flatMap(({ path, options }) =>
    options.filter(({ takesValue }) => takesValue).map((option) => `    '${path} ${option.word}') words='${option.values.join(' ')}' ;;`),
  );
  const options = nodes.map((node) => `      '${node.path}') words='${node.options.map(({ word }) => word).join(' ')}' ;;`);
  const commands = nodes
    .map((node) => ({ path: node.path, words: [...node.commands.map(({ word }) => word), ...node.values] }))
    .filter(({ words }) => words.length > 0)
    .map(({ path, words }) => `      '${path}') words='${words.join(' ')}' ;;`);
  return `# bash completion for samlgate. Load it with: source <(samlgate completion bash)
_samlgate() {
  local cur="\${COMP_WORDS[COMP_CWORD]}" prev="\${COMP_WORDS[COMP_CWORD-1]}" command='samlgate' words='' i
  # Bash splits --option=value into three words.
  if [[ "$cur" == '=' ]]; then cur=''
  elif [[ "$prev" == '=' ]]; then prev="\${COMP_WORDS[COMP_CWORD-2]}"
  fi
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "$command \${COMP_WORDS[i]}" in
      ${paths.join('|')}) command="$command \${COMP_WORDS[i]}" ;;
    esac
  done
  COMPREPLY=()
  case "$command $prev" in
${values.join('\n')}
    *) if [[ "$cur" == -* ]]; then
      case "$command" in
${options.join('\n')}
      esac
    else
      case "$command" in
${commands.join('\n')}
      esac
    fi ;;
  esac
  if [[ -n "$words" ]]; then COMPREPLY=($(compgen -W "$words" -- "$cur")); fi
}
complete -o default -F _samlgate samlgate
`;
}

import { type CompletedOption, type CompletedProgram, type Completes, listIds, spellings } from "./model.ts";

/** For bash 3.2 and later, without the bash-completion package. */
export function bashScript({ name, options, commands }: CompletedProgram): string {
  const valued = [...options, ...commands.flatMap((command) => command.options)].filter(
    ({ value }) => value !== undefined,
  );
  const valueCases = [...options.flatMap((option) => valueCase("*", option)), ...commands.flatMap(valuesOf)];
  const operandCases = commands.flatMap((command) =>
    command.operands.map(({ completes }, index) => `    ${command.name}:${index}) ${reply(completes)} ;;`),
  );
  const optionCases = commands.map(
    (command) => `    ${command.name}) words="${[...command.options, ...options].flatMap(spellings).join(" ")}" ;;`,
  );
  return `# Completion of ${name} for bash. Made by: ${name} completion bash
_${name}_words() {
  local word
  COMPREPLY=()
  while IFS= read -r word; do COMPREPLY+=("$word"); done < <(compgen "$@" -- "$current")
}

_${name}_names() {
  compopt -o filenames 2>/dev/null
  _${name}_words "$@"
}

_${name}() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="" command="" operand=0 index words
  COMPREPLY=()
  [[ $current == "=" ]] && current=""
  for ((index = 1; index < COMP_CWORD; index++)); do
    previous=""
    case "\${COMP_WORDS[index]}" in
    ${unique(valued.flatMap(spellings)).join(" | ")})
      previous="\${COMP_WORDS[index]}"
      index=$((index + 1))
      [[ $index -lt $COMP_CWORD && "\${COMP_WORDS[index]}" == "=" ]] && index=$((index + 1))
      ;;
    # Bash takes words apart at these.
    = | :) index=$((index + 1)) ;;
    -*) ;;
    *) if [[ -z $command ]]; then command="\${COMP_WORDS[index]}"; else operand=$((operand + 1)); fi ;;
    esac
  done
  # The value is being typed only when its option is the last word before it.
  if [[ -n $previous && $index -eq $((COMP_CWORD + 1)) ]]; then
    case "$command:$previous" in
${valueCases.join("\n")}
    esac
    return
  fi
  if [[ $current == -* ]]; then
    case "$command" in
${optionCases.join("\n")}
    *) words="${options.flatMap(spellings).join(" ")}" ;;
    esac
    _${name}_words -W "$words"
    return
  fi
  if [[ -z $command ]]; then
    _${name}_words -W "${commands.map((command) => command.name).join(" ")}"
    return
  fi
  case "$command:$operand" in
${operandCases.join("\n")}
  esac
}

complete -F _${name} ${name}
`;

  function valuesOf(command: CompletedProgram["commands"][number]): string[] {
    return command.options.flatMap((option) => valueCase(command.name, option));
  }

  function valueCase(command: string, option: CompletedOption): string[] {
    if (option.value === undefined || option.value === "nothing") return [];
    const patterns = spellings(option).map((spelling) => `${command}:${spelling}`);
    return [`    ${patterns.join(" | ")}) ${reply(option.value)} ;;`];
  }

  function reply(completes: Completes): string {
    if (completes === "nothing") return ":";
    if (completes === "folders") return `_${name}_names -d`;
    if (completes === "files") return `_${name}_names -f`;
    if (completes === "uploads") return `_${name}_words -W "$(${listIds(name)})"`;
    return `_${name}_words -W "${completes.words.join(" ")}"`;
  }
}

function unique(items: readonly string[]): string[] {
  return [...new Set(items)];
}

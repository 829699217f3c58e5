import { type CompletedOption, type CompletedProgram, type Completes, listIds } from "./model.ts";

export function zshScript({ name, options, commands }: CompletedProgram): string {
  const described = commands.map((command) => `    ${quoted(`${command.name}:${command.summary}`)}`);
  const cases = commands.map(
    (command) => `    ${command.name})
      _arguments -s -S ${continued([
        ...[...command.options, ...options].flatMap(specs),
        ...command.operands.map(({ name: operand, completes }, index) =>
          quoted(`${index + 1}:${label(operand)}:${action(completes)}`),
        ),
      ])}
      ;;`,
  );
  return `#compdef ${name}
# Completion of ${name} for zsh. Made by: ${name} completion zsh

_${name}_uploads() {
  local -a ids
  ids=(\${(f)"$(${listIds(name)})"})
  compadd -a ids
}

_${name}() {
  local context state line curcontext="$curcontext"
  local -a commands
  commands=(
${described.join("\n")}
  )
  _arguments -C -s -S ${continued([...options.flatMap(specs), quoted("1:command:->command"), quoted("*::argument:->argument")])}
  case $state in
  command) _describe -t commands command commands ;;
  argument)
    curcontext="\${curcontext%:*:*}:${name}-$line[1]:"
    case $line[1] in
${cases.join("\n")}
    esac
    ;;
  esac
}

if [ "$funcstack[1]" = "_${name}" ]; then
  _${name} "$@"
else
  compdef _${name} ${name}
fi
`;

  function action(completes: Completes): string {
    if (completes === "nothing") return " ";
    if (completes === "folders") return "_files -/";
    if (completes === "files") return "_files";
    if (completes === "uploads") return `_${name}_uploads`;
    return `(${completes.words.join(" ")})`;
  }

  /** One for each spelling; options that take a value may come again, and long ones have it behind "=", too. */
  function specs({ short, long, summary, value }: CompletedOption): string[] {
    const text = `[${summary.replaceAll("[", "(").replaceAll("]", ")")}]`;
    const spellings = short === undefined ? [long] : [short, long];
    return spellings.map((spelling) =>
      quoted(
        value === undefined
          ? `${spelling}${text}`
          : `*${spelling}${spelling === long ? "=" : ""}${text}:${label(long.slice(2))}:${action(value)}`,
      ),
    );
  }
}

function label(text: string): string {
  return text.replaceAll(":", " ");
}

/** Safe in zsh whatever it holds. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

function continued(words: readonly string[]): string {
  return words.map((word) => `\\\n        ${word}`).join(" ");
}

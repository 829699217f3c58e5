import { type CompletedOption, type CompletedProgram, type Completes, listIds } from "./model.ts";

export function fishScript({ name, options, commands }: CompletedProgram): string {
  const ids = `__${name}_uploads`;
  const uses = `__${name}_uses`;
  const line = (condition: string, rest: string) =>
    `complete -c ${name}${condition && ` -n ${quoted(condition)}`} ${rest}`;
  const own = commands.flatMap((command) => {
    const seen = `${uses} ${command.name}`;
    return [
      line(`${uses} ""`, `-a ${command.name} -d ${quoted(command.summary)}`),
      ...command.options.map((option) => line(seen, optionText(option))),
      ...operandLines(command.operands.map(({ completes }) => completes)).map((rest) => line(seen, rest)),
    ];
  });
  return `# Completion of ${name} for fish. Made by: ${name} completion fish
function ${ids}
    ${listIds(name)}
end

# Whether the line so far names this command; "": none yet. An option's value is no command, unlike for fish's own conditions.
function ${uses}
    set -l words (commandline -opc)
    set -l isValue no
    for word in $words[2..-1]
        if test $isValue = yes
            set isValue no
            continue
        end
        switch $word
            case ${takingValues([...options, ...commands.flatMap((command) => command.options)]).join(" ")}
                set isValue yes
            case '-*'
            case '*'
                test $word = "$argv[1]"
                return
        end
    end
    test -z "$argv[1]"
end

complete -c ${name} -f
${options.map((option) => line("", optionText(option))).join("\n")}
${own.join("\n")}
`;

  /** fish does not count operands: all that a command takes are offered. */
  function operandLines(operands: readonly Completes[]): string[] {
    return [...new Set(operands.flatMap((completes) => (completes === "nothing" ? [] : [candidates(completes)])))];
  }

  function optionText({ short, long, summary, value }: CompletedOption): string {
    const spelling = `${short === undefined ? "" : `-s ${short.slice(1)} `}-l ${long.slice(2)} -d ${quoted(summary)}`;
    if (value === undefined) return spelling;
    return value === "nothing" ? `${spelling} -x` : `${spelling} -x ${candidates(value)}`;
  }

  function candidates(completes: Exclude<Completes, "nothing">): string {
    if (completes === "folders") return `-a '(__fish_complete_directories)'`;
    if (completes === "files") return `-a '(__fish_complete_path)'`;
    return completes === "uploads" ? `-a '(${ids})'` : `-a ${quoted(completes.words.join(" "))}`;
  }
}

/** Every spelling of an option whose value is the next word. */
function takingValues(options: readonly CompletedOption[]): string[] {
  const spellings = options.flatMap(({ short, long, value }) => (value === undefined ? [] : [short, long]));
  return [...new Set(spellings.filter((spelling) => spelling !== undefined))];
}

/** Safe in fish whatever it holds: in single quotes only these two count. */
function quoted(text: string): string {
  return `'${text.replace(/[\\']/g, "\\$&")}'`;
}

import { type CompletedOption, type CompletedProgram, type Completes, listIds } from "./model.ts";

export function fishScript({ name, options, commands }: CompletedProgram): string {
  const ids = `__${name}_uploads`;
  const line = (condition: string, rest: string) =>
    `complete -c ${name}${condition && ` -n ${quoted(condition)}`} ${rest}`;
  const own = commands.flatMap((command) => {
    const seen = `__fish_seen_subcommand_from ${command.name}`;
    return [
      line("__fish_use_subcommand", `-a ${command.name} -d ${quoted(command.summary)}`),
      ...command.options.map((option) => line(seen, optionText(option))),
      ...operandLines(command.operands.map(({ completes }) => completes)).map((rest) => line(seen, rest)),
    ];
  });
  return `# Completion of ${name} for fish. Made by: ${name} completion fish
function ${ids}
    ${listIds(name)}
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

/** Safe in fish whatever it holds: in single quotes only these two count. */
function quoted(text: string): string {
  return `'${text.replace(/[\\']/g, "\\$&")}'`;
}

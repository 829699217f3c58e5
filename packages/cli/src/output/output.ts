import { printable, printableJson } from "./printable.ts";
import type { Terminal } from "./terminal.ts";

/** Where a command says what it has to say. */
export interface Output {
  readonly stdout: Terminal;
  readonly stderr: Terminal;
  /** Whether standard output has JSON for machines and nothing else. */
  readonly isJson: boolean;
  /** Whether only results and errors are wanted. */
  readonly isQuiet: boolean;
  /** A line of the result for people; nothing with `--json`. Names must be printable already. */
  line(text?: string): void;
  /** One JSON object on a line of its own; nothing without `--json`. */
  record(value: object): void;
  /** A line beside the result, on standard error; nothing with `--quiet` or `--json`. */
  note(text: string): void;
  /** An error on standard error, whatever is wanted: for people, or as JSON. */
  error(error: ShownError): void;
}

export interface ShownError {
  readonly code: string;
  readonly message: string;
  readonly remedy?: string | undefined;
}

interface Choices {
  readonly isJson: boolean;
  readonly isQuiet: boolean;
}

export function makeOutput(stdout: Terminal, stderr: Terminal, { isJson, isQuiet }: Choices): Output {
  return {
    stdout,
    stderr,
    isJson,
    isQuiet,
    line(text = "") {
      if (!isJson) stdout.write(`${text}\n`);
    },
    record(value) {
      if (isJson) stdout.write(jsonLine(value));
    },
    note(text) {
      if (!isJson && !isQuiet) stderr.write(`${text}\n`);
    },
    error({ code, message, remedy }) {
      if (isJson) return stderr.write(jsonLine({ error: { code, message, remedy: remedy ?? null } }));
      const lines = message.split("\n").map(printable).join("\n");
      stderr.write(`${stderr.style("red", "error:")} ${lines}\n${remedy ? `${printable(remedy)}\n` : ""}`);
    },
  };
}

/** One JSON object on one line. */
export function jsonLine(value: object): string {
  return `${printableJson(JSON.stringify(value))}\n`;
}

import { styleText } from "node:util";
import type { Environment } from "../config/config.ts";

/** One of the two streams, and what it can show. */
export interface Terminal {
  readonly isTerminal: boolean;
  readonly hasColors: boolean;
  /** As it is now: windows change. 80 where there is no window. */
  readonly columns: number;
  /** Writes the text as it is; what comes from outside goes through `printable` first. */
  write(text: string): void;
  /** The text in a style, or as it is where there are no colours. */
  style(style: Style, text: string): string;
}

export type Style = "bold" | "dim" | "red" | "green" | "yellow" | "cyan";

/** What colours depend on. */
interface Wish {
  readonly environment: Environment;
  /** `--no-color`. */
  readonly isPlain?: boolean;
}

/** The wish counts, then FORCE_COLOR (not 0), NO_COLOR (https://no-color.org), TERM=dumb, and whether anybody looks. */
export function hasColors(isTerminal: boolean, { environment, isPlain }: Wish): boolean {
  const { FORCE_COLOR: force, NO_COLOR: none, TERM: term } = environment;
  if (isPlain) return false;
  if (force) return force !== "0" && force !== "false";
  return !none && term !== "dumb" && isTerminal;
}

export function terminalOf(stream: NodeJS.WriteStream, wish: Wish): Terminal {
  const isTerminal = stream.isTTY === true;
  const colors = hasColors(isTerminal, wish);
  return {
    isTerminal,
    hasColors: colors,
    get columns() {
      return stream.columns || Number(wish.environment.COLUMNS) || 80;
    },
    write: (text) => void stream.write(text),
    style: (style, text) => (colors ? styleText(style, text, { validateStream: false }) : text),
  };
}

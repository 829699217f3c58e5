import stringWidth from "string-width";
import type { Output } from "./output.ts";
import { printable } from "./printable.ts";
import type { Style } from "./terminal.ts";

export interface Column {
  readonly title: string;
  readonly align?: "right";
  /** Gives way when the terminal is too narrow, down to a few letters. */
  readonly isFlexible?: boolean;
  /** Never narrower, so that tables printed one after the other stand in line. */
  readonly least?: number;
}

export interface Cell {
  readonly text: string;
  readonly style?: Style;
}

const GAP = "  ";
const LEAST_WIDTH = 8;

/**
 * Rows under titles, as wide as their widest cell; on a terminal flexible columns are cut so that no line is longer than
 * it. Cells may hold anything: they are made printable here.
 */
export function printTable(
  output: Output,
  columns: readonly Column[],
  rows: readonly (readonly (string | Cell)[])[],
  { titles = true }: { readonly titles?: boolean } = {},
): void {
  const cells = rows.map((row) => row.map((cell) => shown(cell)));
  const natural = columns.map(({ title, least = 0 }, index) =>
    Math.max(least, stringWidth(title), ...cells.map((row) => stringWidth(row[index]?.text ?? ""))),
  );
  const { stdout } = output;
  const widths = stdout.isTerminal ? fitted(columns, natural, stdout.columns) : natural;
  const line = (row: readonly Cell[]) =>
    columns
      .map(({ align }, index) => {
        const { text, style } = row[index] ?? { text: "" };
        const width = widths[index] ?? 0;
        const cut = clip(text, width);
        const styled = style ? stdout.style(style, cut) : cut;
        const padding = " ".repeat(Math.max(0, width - stringWidth(cut)));
        return align === "right" ? padding + styled : styled + (index === columns.length - 1 ? "" : padding);
      })
      .join(GAP)
      .trimEnd();
  if (titles) output.line(line(columns.map(({ title }) => ({ text: title, style: "bold" }))));
  for (const row of cells) output.line(line(row));
}

function shown(cell: string | Cell): Cell {
  return typeof cell === "string" ? { text: printable(cell) } : { ...cell, text: printable(cell.text) };
}

/** Takes what is too much from the widest flexible columns. */
function fitted(columns: readonly Column[], natural: readonly number[], width: number): number[] {
  const widths = [...natural];
  let excess = widths.reduce((sum, one) => sum + one, 0) + GAP.length * (columns.length - 1) - width;
  while (excess > 0) {
    const flexible = columns.flatMap(({ isFlexible }, index) =>
      isFlexible && (widths[index] ?? 0) > LEAST_WIDTH ? [index] : [],
    );
    const widest = flexible.sort((a, b) => (widths[b] ?? 0) - (widths[a] ?? 0))[0];
    if (widest === undefined) break;
    const second = flexible[1] === undefined ? LEAST_WIDTH : Math.max(LEAST_WIDTH, (widths[flexible[1]] ?? 0) - 1);
    const cut = Math.max(1, Math.min(excess, (widths[widest] ?? 0) - second));
    widths[widest] = Math.max(LEAST_WIDTH, (widths[widest] ?? 0) - cut);
    excess -= cut;
  }
  return widths;
}

/** The text with an ellipsis in its middle when it is wider: of paths both ends tell something. */
export function clip(text: string, width: number): string {
  if (stringWidth(text) <= width) return text;
  const letters = Array.from(new Intl.Segmenter().segment(text), ({ segment }) => segment);
  const room = Math.max(1, width) - 1;
  const head = fitting(letters, Math.ceil(room / 2));
  const tail = fitting(letters.toReversed(), room - stringWidth(head.join("")));
  return `${head.join("")}…${tail.toReversed().join("")}`;
}

/** As many of the letters as have room. */
function fitting(letters: readonly string[], room: number): string[] {
  const taken: string[] = [];
  let width = 0;
  for (const letter of letters) {
    width += stringWidth(letter);
    if (width > room) break;
    taken.push(letter);
  }
  return taken;
}

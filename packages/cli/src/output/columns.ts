import stringWidth from "string-width";
import type { Terminal } from "./terminal.ts";

/** Columns that printable text takes on a terminal: two for wide characters, none for combining ones. */
export const columnsOf = (text: string): number => stringWidth(text);

/** Keeps the end of a text that is wider, which of a path says most. */
export function keepEnd(text: string, width: number): string {
  if (columnsOf(text) <= width) return text;
  if (width < 1) return "";
  let kept = "";
  let room = width - 1;
  const graphemes = Array.from(new Intl.Segmenter().segment(text), ({ segment }) => segment);
  for (const grapheme of graphemes.toReversed()) {
    room -= columnsOf(grapheme);
    if (room < 0) break;
    kept = grapheme + kept;
  }
  return `…${kept}`;
}

/** As many of the pieces, most important first, as fit side by side; of the first what fits. */
export function fitPieces(pieces: readonly string[], width: number, gap = "  "): string {
  let line = "";
  for (const piece of pieces) {
    const longer = line === "" ? piece : `${line}${gap}${piece}`;
    if (columnsOf(longer) > width) break;
    line = longer;
  }
  return line === "" ? keepEnd(pieces[0] ?? "", width) : line;
}

/** The text with spaces behind it. */
export function padTo(text: string, width: number): string {
  return text + " ".repeat(Math.max(0, width - columnsOf(text)));
}

/** How wide lines of words may be: a terminal would break them inside words; other readers do as they like. */
export function widthOf({ isTerminal, columns }: Pick<Terminal, "isTerminal" | "columns">): number {
  return isTerminal ? columns : Number.POSITIVE_INFINITY;
}

/** Words in lines of at most this width, where they fit; the first line and the others indented. */
export function wrapWords(
  text: string,
  width: number,
  indent: { readonly first: string; readonly rest: string },
): string {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    const longer = line === "" ? indent.first + word : `${line} ${word}`;
    const fits = line === "" || columnsOf(longer) <= width;
    if (!fits) lines.push(line);
    line = fits ? longer : indent.rest + word;
  }
  return [...lines, line].join("\n");
}

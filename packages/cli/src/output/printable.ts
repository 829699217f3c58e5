const UNSAFE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Surrogate}]/gu;

/**
 * The text as it may go to a terminal: names of files may hold anything, and nothing in them is to move a cursor, change
 * a title or turn the direction of a line. What is not shown as it is shows as its escape, `\n`, `\x1b` or `\u{202e}`.
 */
export function printable(text: string): string {
  return text.replaceAll(UNSAFE, (character) => {
    if (character === "\n") return "\\n";
    if (character === "\t") return "\\t";
    const code = character.codePointAt(0) ?? 0;
    return code < 0x100 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u{${code.toString(16)}}`;
  });
}

/** The same for text of several lines, whose ends are kept. */
export function printableLines(text: string): string {
  return text.split("\n").map(printable).join("\n");
}

/** The same for JSON: the value stays what it is, and only escapes stand for what is unsafe. */
export function printableJson(json: string): string {
  return json.replaceAll(UNSAFE, (character) =>
    Array.from(
      { length: character.length },
      (_, index) => `\\u${character.charCodeAt(index).toString(16).padStart(4, "0")}`,
    ).join(""),
  );
}

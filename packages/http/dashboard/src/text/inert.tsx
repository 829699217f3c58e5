import type { JSX } from "preact";

// Control, format and private characters, line separators and lone surrogates: what could hide or reorder other text.
const HIDDEN = /[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}]/gu;

/** Splits text into what is shown as it is, and names of characters that would not be seen. */
function reveal(text: string): (string | { readonly name: string })[] {
  const pieces: (string | { readonly name: string })[] = [];
  let end = 0;
  for (const match of text.matchAll(HIDDEN)) {
    if (match.index > end) pieces.push(text.slice(end, match.index));
    pieces.push({ name: nameOf(match[0]) });
    end = match.index + match[0].length;
  }
  if (end < text.length) pieces.push(text.slice(end));
  return pieces;
}

function nameOf(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  const known: Readonly<Record<number, string>> = { 9: "\\t", 10: "\\n", 13: "\\r", 0: "\\0", 27: "\\e" };
  return known[code] ?? `U+${code.toString(16).toUpperCase().padStart(4, "0")}`;
}

/** The same as one text, for attributes. */
export function revealed(text: string): string {
  return reveal(text)
    .map((piece) => (typeof piece === "string" ? piece : `␛${piece.name}␛`))
    .join("");
}

/** Text that comes from file names or other services: isolated from the direction of its neighbours, nothing hidden. */
export function Inert({ text, class: name }: { text: string; class?: string }): JSX.Element {
  return (
    <bdi class={name}>
      {reveal(text).map((piece) =>
        typeof piece === "string" ? piece : <span class="hidden-character">{piece.name}</span>,
      )}
    </bdi>
  );
}

/** A path whose end stays readable when there is not enough room. */
export function Path({ text }: { text: string }): JSX.Element {
  const cut = text.lastIndexOf("/") + 1;
  return (
    <span class="path" title={revealed(text)}>
      {cut > 0 && <Inert class="path-folder" text={text.slice(0, cut)} />}
      <Inert class="path-name" text={text.slice(cut)} />
    </span>
  );
}

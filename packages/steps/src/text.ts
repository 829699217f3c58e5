/** Bytes of the longest character in UTF-8, less one: so much of it may be cut off at the end of a head. */
const CUT_OFF = 3;

/**
 * Whether the first bytes of a file are text: UTF-8 (or UTF-16 with a byte order mark) without control characters other than
 * tab, line feed, form feed, carriage return and escape. The rule of the WHATWG's MIME Sniffing Standard, section 7.1, and stricter:
 * other encodings are not text.
 * @param goesOn whether the file is longer, so that the head may end inside a character
 */
export function isText(head: Uint8Array, goesOn: boolean): boolean {
  const utf16 = utf16Of(head);
  const label = utf16 ?? "utf-8";
  for (let cut = 0; cut <= (goesOn ? CUT_OFF : 0) && cut < head.length; cut += 1) {
    try {
      const text = new TextDecoder(label, { fatal: true }).decode(head.subarray(0, head.length - cut));
      return !hasControls(text);
    } catch {
      // Perhaps the last character is cut off: once more without its bytes.
    }
  }
  return false;
}

function utf16Of(head: Uint8Array): string | undefined {
  if (head[0] === 0xff && head[1] === 0xfe) return "utf-16le";
  return head[0] === 0xfe && head[1] === 0xff ? "utf-16be" : undefined;
}

function hasControls(text: string): boolean {
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code < 0x20 && !(code === 9 || code === 10 || code === 12 || code === 13 || code === 27)) return true;
    if (code === 0x7f) return true;
  }
  return false;
}

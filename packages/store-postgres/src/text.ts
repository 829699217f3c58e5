import { hash } from "node:crypto";

/** Half a pair: UTF-8 has no form for it, a JavaScript string may hold it. */
const LONE = /\p{Surrogate}/u;
const LONE_BYTES = /(\xed[\xa0-\xbf][\x80-\xbf])/;

/**
 * The text's UTF-8 form; lone surrogates get the three bytes that UTF-8 would give them (WTF-8, simonsapin.github.io/wtf-8),
 * so that every string comes back as it was. Texts are kept as bytes because a `text` column holds no NUL, knows only the
 * characters of the database's encoding, and sorts by its collation.
 */
export function toBytes(text: string): Buffer {
  if (!LONE.test(text)) return Buffer.from(text);
  return Buffer.concat(
    text.split(/(\p{Surrogate})/u).map((piece) => (LONE.test(piece) ? loneBytes(piece) : Buffer.from(piece))),
  );
}

export function fromBytes(bytes: Buffer): string {
  const text = bytes.toString();
  if (!text.includes("\ufffd")) return text;
  return bytes
    .toString("latin1")
    .split(LONE_BYTES)
    .map((piece) =>
      LONE_BYTES.test(piece) ? loneOf(Buffer.from(piece, "latin1")) : Buffer.from(piece, "latin1").toString(),
    )
    .join("");
}

/** JSON in ASCII: fits a database of any encoding. Kept as `json`, which stores the text itself; `jsonb` refuses NUL. */
export function toJson(value: object): string {
  return JSON.stringify(value).replace(/[\u007f-\uffff]/g, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
}

/** An entry of a B-tree holds some 2,700 bytes, which is less than a path may be long. */
const INDEXED = 2_400;

/**
 * What stands for a path in indexes, and sorts like it: the path's bytes. Of a longer path the first 2,400 bytes and the
 * SHA-256 of all of it: unique, and in order but among long paths that share those bytes.
 */
export function pathKey(path: string): Buffer {
  const bytes = toBytes(path);
  if (bytes.length <= INDEXED) return bytes;
  return Buffer.concat([bytes.subarray(0, INDEXED), hash("sha256", bytes, "buffer")]);
}

export function isLongKey(key: Buffer): boolean {
  return key.length > INDEXED;
}

/** Lower and upper bound, both excluded, of the keys of all long paths that begin like this one. */
export function longRange(key: Buffer): [above: Buffer, below: Buffer] {
  const head = key.subarray(0, INDEXED);
  return [head, Buffer.concat([head, Buffer.alloc(33, 0xff)])];
}

function loneBytes(surrogate: string): Buffer {
  const code = surrogate.charCodeAt(0);
  return Buffer.from([0xe0 | (code >> 12), 0x80 | ((code >> 6) & 0x3f), 0x80 | (code & 0x3f)]);
}

function loneOf([first = 0, second = 0, third = 0]: Buffer): string {
  return String.fromCharCode(((first & 0x0f) << 12) | ((second & 0x3f) << 6) | (third & 0x3f));
}

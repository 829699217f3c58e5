import { extname } from "node:path";
import { defineStep, type TransformStep } from "@bucketline/core";

const TEXT = new Set([".csv", ".log", ".md", ".txt"]);
/**
 * Begins where a word begins and nowhere within it, so that time grows with the length of a line and not with its square. From 0x80
 * on: bytes of letters in UTF-8.
 */
const ADDRESS =
  /(?<![\w.!#$%&'*+/=?^`{|}~\x80-\xff-])[\w.!#$%&'*+/=?^`{|}~\x80-\xff-]+@[\w\x80-\xff-]+(?:\.[\w\x80-\xff-]+)+/g;
const REDACTED = "[address]";
const NEWLINE = 0x0a;
/** Bytes. Of a longer line it cannot be told in bounded memory what is in it. */
const MAX_LINE = 2 ** 20;

/**
 * Takes mail addresses out of text files, by their extension; other files pass as they are. The source file keeps them. A line
 * longer than 1 MiB fails the file: nothing is sent that was not looked at.
 */
export function redactAddresses(): TransformStep {
  return defineStep({
    name: "redactAddresses",
    transform: ({ path }) => {
      if (!TEXT.has(extname(path).toLowerCase())) return { stream: (input) => input, message: () => "not a text file" };
      let found = 0;
      const redacted = (whole: Buffer) => {
        // Every byte is one character of Latin-1, so that all others come out as they went in, whatever their encoding.
        const text = whole.toString("latin1").replaceAll(ADDRESS, () => {
          found++;
          return REDACTED;
        });
        return Buffer.from(text, "latin1");
      };
      return {
        stream: async function* (input) {
          for await (const whole of wholeLines(input)) yield redacted(whole);
        },
        message: () => `${found} taken out`,
      };
    },
  });
}

/** Whole lines with their ends, wherever the chunks end: an address may lie in two of them. */
async function* wholeLines(input: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer, void, void> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of input) {
    const bytes = Buffer.concat([rest, chunk]);
    const end = bytes.lastIndexOf(NEWLINE) + 1;
    if (end > 0) yield bytes.subarray(0, end);
    rest = bytes.subarray(end);
    if (rest.length > MAX_LINE) throw new Error(`It has a line of more than ${MAX_LINE} bytes.`);
  }
  if (rest.length > 0) yield rest;
}

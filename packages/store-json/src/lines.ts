const NEWLINE = 0x0a;

/**
 * Cuts a stream of bytes into lines, without their newlines.
 * @param onLine called once per line, in order; false: look no further
 * @returns what follows the last line that was handed out: to the end, or undefined when `onLine` said false
 */
export async function eachLine(
  pieces: AsyncIterable<Uint8Array>,
  onLine: (line: Buffer) => boolean,
): Promise<Buffer | undefined> {
  let begun: Buffer[] = [];
  for await (const piece of pieces) {
    const bytes = Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength);
    let start = 0;
    for (let end = bytes.indexOf(NEWLINE); end !== -1; end = bytes.indexOf(NEWLINE, start)) {
      const rest = bytes.subarray(start, end);
      const line = begun.length === 0 ? rest : Buffer.concat([...begun, rest]);
      begun = [];
      start = end + 1;
      if (!onLine(line)) return undefined;
    }
    if (start < bytes.length) begun.push(bytes.subarray(start));
  }
  return Buffer.concat(begun);
}

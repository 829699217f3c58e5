import type { TransformStep } from "@bucketline/core";
import { expect, test } from "vitest";
import { redactAddresses } from "../src/redact.ts";

async function run(step: TransformStep, path: string, chunks: readonly Uint8Array[]) {
  const { signal } = new AbortController();
  const file = { uploadId: "a", path, size: 0, mtimeNs: 0n, signal };
  const { stream, message } = await step.transform(file);
  if (typeof stream !== "function") throw new Error("It gives another kind of stream.");
  const input = (async function* () {
    yield* chunks;
  })();
  const output: Uint8Array[] = [];
  for await (const chunk of stream(input)) output.push(Buffer.from(chunk));
  return { output: Buffer.concat(output), message: message?.() };
}

const TEXT = "ada@mail.example\r\nzoë.o'hara+x@bücher.example;no @ here, nor here@nowhere\n\nlast: bob@a.b.c";
const REDACTED = "[address]\r\n[address];no @ here, nor here@nowhere\n\nlast: [address]";

test("addresses are found wherever the chunks end, and everything else stays as it was", async () => {
  const bytes = Buffer.from(TEXT);
  for (let at = 0; at <= bytes.length; at++) {
    const { output, message } = await run(redactAddresses(), "a.TXT", [bytes.subarray(0, at), bytes.subarray(at)]);
    expect(output.toString(), `cut at ${at}`).toBe(REDACTED);
    expect(message).toBe("3 taken out");
  }
  const one = await run(
    redactAddresses(),
    "a.csv",
    [...bytes].map((byte) => Buffer.from([byte])),
  );
  expect(one.output.toString()).toBe(REDACTED);
});

test("files that are no text pass byte by byte", async () => {
  const { output, message } = await run(redactAddresses(), "a.png", [Buffer.from(TEXT), Buffer.from([0, 255])]);
  expect(output).toEqual(Buffer.concat([Buffer.from(TEXT), Buffer.from([0, 255])]));
  expect(message).toBe("not a text file");
});

test("text that is not UTF-8 keeps its bytes", async () => {
  const bytes = Buffer.from([0xff, 0xfe, 0x80, 0x20, ...Buffer.from("a@b.example"), 0x0a, 0xc3]);
  const { output } = await run(redactAddresses(), "a.txt", [bytes]);
  expect(output).toEqual(
    Buffer.concat([Buffer.from([0xff, 0xfe, 0x80, 0x20]), Buffer.from("[address]"), Buffer.from([0x0a, 0xc3])]),
  );
});

test("a line of a mebibyte is looked at in time that grows with its length; a longer one fails the file", async () => {
  const word = Buffer.alloc(2 ** 20, "a");
  expect((await run(redactAddresses(), "a.log", [word])).output.equals(word)).toBe(true);
  const dots = Buffer.concat([Buffer.from("a@"), Buffer.alloc(2 ** 20 - 2, "a")]);
  expect((await run(redactAddresses(), "a.log", [dots])).output.equals(dots)).toBe(true);
  await expect(run(redactAddresses(), "a.log", [word, word])).rejects.toThrow("a line of more than 1048576 bytes");
});

import { PassThrough, Transform } from "node:stream";
import { TransformStream } from "node:stream/web";
import { createGunzip, createGzip } from "node:zlib";
import { describe, expect, test } from "vitest";
import type { ByteTransform } from "../src/index.ts";
import { Chain } from "../src/pipeline/chain.ts";

const never = new AbortController().signal;
const CHUNKS = 2_000;

/** Counts what is taken of it. */
class Numbers {
  taken = 0;
  closed = false;
  readonly #error: Error | undefined;

  constructor(error?: Error) {
    this.#error = error;
  }

  async *read(): AsyncGenerator<Uint8Array> {
    try {
      for (; this.taken < CHUNKS; ) {
        this.taken++;
        yield Buffer.alloc(1024, this.taken);
        if (this.#error && this.taken === 3) throw this.#error;
      }
    } finally {
      this.closed = true;
    }
  }

  static get whole(): Buffer {
    return Buffer.concat(Array.from({ length: CHUNKS }, (_, n) => Buffer.alloc(1024, n + 1)));
  }
}

const chain = (numbers: Numbers, ...streams: ByteTransform[]) =>
  new Chain(
    numbers.read(),
    streams.map((stream, n) => ({ name: `s${n}`, stream })),
  );

async function all(output: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of output) chunks.push(chunk);
  return Buffer.concat(chunks);
}

const web = (transform?: (chunk: Uint8Array) => Uint8Array): ByteTransform =>
  new TransformStream<Uint8Array, Uint8Array>({
    transform: (chunk, controller) => controller.enqueue(transform ? transform(chunk) : chunk),
  });

const failing = (kind: "node" | "web" | "generator", error: Error): ByteTransform => {
  let seen = 0;
  // By bytes: a Node.js stream puts chunks together.
  const look = (chunk: Uint8Array) => {
    seen += chunk.length;
    if (seen > 5_000) throw error;
  };
  if (kind === "web")
    return web((chunk) => {
      look(chunk);
      return chunk;
    });
  if (kind === "generator")
    return async function* (input) {
      for await (const chunk of input) {
        look(chunk);
        yield chunk;
      }
    };
  return new Transform({
    transform(chunk, _, done) {
      try {
        look(chunk);
        done(null, chunk);
      } catch (thrown) {
        done(thrown as Error);
      }
    },
  });
};

const twice: ByteTransform = async function* (input) {
  for await (const chunk of input) {
    yield chunk;
    yield chunk;
  }
};

describe("stages behind each other", () => {
  test("of every kind give every byte, in order, and count what went through", async () => {
    const numbers = new Numbers();
    const composed = chain(numbers, createGzip(), web(), createGunzip(), new PassThrough(), twice);
    const out = await all(composed.output(never));
    expect(out.length).toBe(2 * Numbers.whole.length);
    expect(composed.meters[0]?.bytesIn).toBe(Numbers.whole.length);
    expect(composed.meters[4]).toEqual({ bytesIn: Numbers.whole.length, bytesOut: out.length, done: true });
    expect(composed.failure).toBeUndefined();
  });

  test("an empty file goes through them, too", async () => {
    const empty = (async function* (): AsyncGenerator<Uint8Array> {})();
    const composed = new Chain(
      empty,
      [createGzip(), createGunzip()].map((stream, n) => ({ name: `s${n}`, stream })),
    );
    expect((await all(composed.output(never))).length).toBe(0);
  });

  test.each(["node", "web", "generator"] as const)(
    "a reader that stops ends a %s stage and the source",
    async (kind) => {
      const numbers = new Numbers();
      const stages = { node: new PassThrough(), web: web(), generator: twice } as const;
      const output = chain(numbers, stages[kind]).output(never);
      await output.next();
      await output.return(undefined);
      await expect.poll(() => numbers.closed).toBe(true);
      expect(numbers.taken).toBeLessThan(CHUNKS);
    },
  );

  test("a slow reader holds the source back", async () => {
    const numbers = new Numbers();
    const output = chain(numbers, new PassThrough(), web(), twice).output(never);
    await output.next();
    await new Promise((resolve) => setImmediate(resolve));
    // A Node.js stream holds up to 64 KiB on either side; the rest waits in the source.
    expect(numbers.taken).toBeLessThan(400);
    await output.return(undefined);
  });
});

describe("what goes wrong", () => {
  test.each(["node", "web", "generator"] as const)(
    "in a %s stage is that stage's, whatever stands around it",
    async (kind) => {
      const error = new Error("it broke");
      const numbers = new Numbers();
      const composed = chain(numbers, new PassThrough(), web(), failing(kind, error), new PassThrough(), twice, web());
      await expect(all(composed.output(never))).rejects.toBe(error);
      expect(composed.failure).toEqual({ stage: "s2", error });
      await expect.poll(() => numbers.closed).toBe(true);
    },
  );

  test("in the source is nobody's", async () => {
    const error = new Error("the disk");
    const composed = chain(new Numbers(error), createGzip(), web(), twice);
    await expect(all(composed.output(never))).rejects.toBe(error);
    expect(composed.failure).toEqual({ stage: null, error });
  });

  test("is not hidden by a later stage that swallows it", async () => {
    const swallows: ByteTransform = async function* (input) {
      try {
        for await (const chunk of input) yield chunk;
      } catch {
        // As if that had been all.
      }
    };
    const error = new Error("the disk");
    await expect(all(chain(new Numbers(error), swallows).output(never))).rejects.toBe(error);
    const inner = chain(new Numbers(), failing("web", error), swallows);
    await expect(all(inner.output(never))).rejects.toBe(error);
  });

  test("a stage that gives no bytes is to blame", async () => {
    const texts: ByteTransform = async function* () {
      yield "text" as never;
    };
    const composed = chain(new Numbers(), texts);
    await expect(all(composed.output(never))).rejects.toThrow("it gave string instead of bytes");
    expect(composed.failure?.stage).toBe("s0");
  });

  test.each([
    [
      "a generator",
      async function* (input) {
        for await (const _ of input) await new Promise(() => {});
      },
    ] as const satisfies [string, ByteTransform],
    ["a Node.js stream", new Transform({ transform() {} })] as const,
    ["a web stream", new TransformStream<Uint8Array, Uint8Array>({ transform: () => new Promise(() => {}) })] as const,
  ])("%s that hangs ends with the signal's reason", async (_, stage) => {
    const stop = new AbortController();
    const numbers = new Numbers();
    const reading = all(chain(numbers, stage, new PassThrough()).output(stop.signal));
    await expect.poll(() => numbers.taken).toBeGreaterThan(0);
    const reason = new Error("enough");
    stop.abort(reason);
    await expect(reading).rejects.toBe(reason);
  });
});

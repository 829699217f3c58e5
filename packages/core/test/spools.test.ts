import { describe, expect, test } from "vitest";
import { BucketlineError, InputError } from "../src/errors.ts";
import type { FileRecord } from "../src/file.ts";
import { Pipelines } from "../src/pipeline/pipelines.ts";
import { Room } from "../src/pipeline/room.ts";
import { encodeFacts, readFacts, type SpoolFacts } from "../src/pipeline/spool-file.ts";
import { Spools } from "../src/pipeline/spools.ts";
import { defineStep, type Step } from "../src/pipeline/step.ts";
import type { SpoolFolder } from "../src/ports/spool-folder.ts";
import { judge } from "../src/retry.ts";
import { MemorySpools } from "../src/testing/index.ts";
import { file, gate, Heard, settle, upload } from "./support/records.ts";

const never = new AbortController().signal;
const check = (name: string) => defineStep({ name, check: async () => ({ accepted: true }) });
const transform = (name: string, late = false) =>
  defineStep({ name, late, keySuffix: `.${name}`, transform: () => ({ stream: async function* () {} }) });

describe("pipelines are refused when they are defined", () => {
  test.each([
    ["without steps", { p: [] }],
    ["by a wrong name", { "p q": [check("a")] }],
    ["with two steps of one name", { p: [check("a"), transform("a")] }],
    ["with a check behind a transform", { p: [transform("a"), check("b")] }],
    ["with a late step and no spool", { p: { steps: [transform("a", true)], spool: false } }],
    ["with something that is no step", { p: [{ name: "a" } as unknown as Step] }],
    ["with a spool that is no answer", { p: { steps: [check("a")], spool: "yes" as unknown as boolean } }],
  ])("%s", (_, definitions) => {
    expect(() => new Pipelines(definitions)).toThrow(expect.objectContaining({ code: "INVALID_PIPELINE" }));
    expect(() => new Pipelines(definitions)).toThrow(InputError);
  });

  test("the suffixes of its transforms stand in their order", () => {
    const pipelines = new Pipelines({ p: [check("a"), transform("gz"), transform("enc")] });
    expect(pipelines.settings("p")).toEqual({ pipeline: "p", keySuffix: ".gz.enc" });
    expect(pipelines.needSpool).toBe(true);
    expect(new Pipelines({ p: [check("a")] }).needSpool).toBe(false);
  });
});

describe("room", () => {
  const room = (limit: number, { sending = false, idle = 0 } = {}) => {
    let left = idle;
    const made: Room = new Room({
      limit,
      isSending: () => sending,
      evict: async () => {
        if (left === 0) return false;
        left--;
        made.free(10);
        return true;
      },
    });
    made.add(idle * 10);
    return made;
  };

  test("what nobody sends goes first, and only as much as is needed", async () => {
    const tight = room(30, { idle: 3 });
    await tight.take(tight.enter("a"), 15, never);
    expect(tight.used).toBe(10 + 15);
  });

  test("one that alone is too much fails for good; one that meets others does not", async () => {
    const tight = room(20);
    const [first, second] = [tight.enter("a"), tight.enter("b")];
    const tooMuch = await tight.take(first, 21, never).catch((error: unknown) => error);
    expect(judge(tooMuch, "watch")).toEqual({ type: "failFile" });
    await tight.take(first, 12, never);
    await tight.take(second, 8, never);
    const crowded = await tight.take(second, 1, never).catch((error: unknown) => error);
    expect(crowded).toMatchObject({ code: "SPOOL_FULL" });
    expect(judge(crowded, "watch")).toEqual({ type: "wait" });
  });

  test("the one that began first waits for the others, and gets what they give up", async () => {
    const tight = room(20);
    const [first, second] = [tight.enter("a"), tight.enter("b")];
    await tight.take(first, 12, never);
    await tight.take(second, 8, never);
    let got = false;
    const waiting = tight.take(first, 8, never).then(() => (got = true));
    await settle();
    expect(got).toBe(false);
    tight.free(8);
    tight.leave(second);
    await waiting;
    expect(tight.used).toBe(20);
  });

  test("while something is sent everybody waits, until the signal", async () => {
    const tight = room(20, { sending: true });
    tight.add(20);
    tight.enter("a");
    const stop = new AbortController();
    const waiting = tight.take(tight.enter("b"), 1, stop.signal);
    const reason = new Error("stop");
    stop.abort(reason);
    await expect(waiting).rejects.toBe(reason);
  });
});

const FACTS = {
  identity: "12345678",
  checksum: "crc32:00000001",
  sourceChecksum: "crc32:00000002",
  changes: [],
} as const;
const factsOf = (record: FileRecord, size: number): SpoolFacts => {
  const { uploadId, path, fingerprint } = record;
  return { uploadId, path, fingerprint, size, ...FACTS };
};

function spools(folder: SpoolFolder, files: readonly FileRecord[], cancelled = false): Spools {
  const state = {
    getFile: async (_: string, path: string) => files.find((one) => one.path === path),
    getUpload: async () => ({ ...upload(), state: cancelled ? ("CANCELLED" as const) : ("IN_PROGRESS" as const) }),
  };
  const { emit } = new Heard();
  return new Spools({ folder, maxBytes: 100, state, emit, isKnown: (identity) => identity === FACTS.identity });
}

async function fill(made: Spools, record: FileRecord, text: string): Promise<void> {
  const draft = await made.begin(record, never);
  await draft.write(Buffer.from(text));
  await draft.finish(factsOf(record, text.length));
}

describe("what a dead run has left", () => {
  const one = file({ path: "one" });

  async function left(text = "spooled"): Promise<MemorySpools> {
    const disk = new MemorySpools();
    let alive = true;
    const dying = spools(
      disk.folder(() => alive),
      [one],
    );
    await fill(dying, one, text);
    alive = false;
    return disk;
  }

  test("is taken over while its file still waits for it", async () => {
    const disk = await left();
    const next = spools(disk.folder(), [one]);
    await next.open();
    expect(next.used).toBe(7);
    const held = await next.take(one, one.fingerprint, FACTS.identity);
    const target = Buffer.alloc(7);
    await held?.reader.read(target, 0);
    expect(target.toString()).toBe("spooled");
    expect(held?.facts).toEqual(factsOf(one, 7));
  });

  test.each([
    ["its file has arrived", { ...one, state: "UPLOADED" }, false],
    ["its file is gone", { ...one, state: "REMOVED" }, false],
    ["its file has changed", { ...one, fingerprint: "1:9:9:9:9" }, false],
    ["nobody knows its file", undefined, false],
    ["its upload was cancelled", one, true],
  ] as const)("is removed when %s", async (_, record, cancelled) => {
    const disk = await left();
    const next = spools(disk.folder(), record ? [record as FileRecord] : [], cancelled);
    await next.open();
    expect([next.used, disk.files.length]).toEqual([0, 0]);
  });

  test("is not for another pipeline", async () => {
    const next = spools((await left()).folder(), [one]);
    expect(await next.take(one, one.fingerprint, "87654321")).toBeUndefined();
    expect(next.used).toBe(0);
  });

  test("is removed when it was cut short", async () => {
    const disk = await left();
    const folder = disk.folder();
    const cut: SpoolFolder = {
      ...folder,
      read: async (name) => {
        const reader = await folder.read(name);
        return reader && { ...reader, size: reader.size - 1 };
      },
    };
    await spools(cut, [one]).open();
    expect(disk.files).toEqual([]);
  });
});

test("a spool of a paused file stays for its next attempt; of one that has arrived it goes", async () => {
  const disk = new MemorySpools();
  const one = file({ path: "one" });
  const made = spools(disk.folder(), [one]);
  await fill(made, one, "x");
  const held = await made.take(one, one.fingerprint, FACTS.identity);
  if (!held) throw new Error("nothing there");
  await made.release(held, { ...one, state: "PENDING" });
  expect(disk.files).toHaveLength(1);
  const again = await made.take(one, one.fingerprint, FACTS.identity);
  if (!again) throw new Error("nothing there any more");
  await made.release(again, { ...one, state: "UPLOADED" });
  expect([disk.files.length, made.used]).toEqual([0, 0]);
});

test("a sweep removes what has become of no use", async () => {
  const disk = new MemorySpools();
  const files = [file({ path: "one" })];
  const made = spools(disk.folder(), files);
  await fill(made, files[0] as FileRecord, "x");
  await made.sweep();
  expect(disk.files).toHaveLength(1);
  files.pop();
  await made.sweep();
  expect(disk.files).toEqual([]);
});

test("a spool that is just being taken makes no room for others: they wait until it has gone", async () => {
  const disk = new MemorySpools();
  const [one, other] = [file({ path: "one" }), file({ path: "other" })];
  const folder = disk.folder();
  const { promise, open } = gate();
  const slow: SpoolFolder = {
    ...folder,
    read: async (name) => {
      await promise;
      return await folder.read(name);
    },
  };
  const made = spools(slow, [one, other]);
  await fill(made, one, "x".repeat(60));
  const taking = made.take(one, one.fingerprint, FACTS.identity);
  await settle();
  const draft = await made.begin(other, never);
  let written = false;
  const writing = draft.write(Buffer.alloc(60)).then(() => (written = true));
  await settle();
  open();
  const held = await taking;
  await settle();
  expect([held?.facts.path, written, made.used]).toEqual(["one", false, 60]);
  if (held) await made.release(held, { ...one, state: "UPLOADED" });
  await writing;
  expect(made.used).toBe(60);
});

test("a disk that is full fails the write, and what was written is given back", async () => {
  const folder = new MemorySpools().folder();
  const full: SpoolFolder = {
    ...folder,
    create: async () => ({
      ...(await folder.create()),
      write: () => Promise.reject(new BucketlineError("SPOOL_FULL", "no space left")),
    }),
  };
  const made = spools(full, []);
  const draft = await made.begin(file(), never);
  const failure = await draft.write(Buffer.alloc(10)).catch((error: unknown) => error);
  expect(judge(failure, "watch")).toEqual({ type: "wait" });
  await draft.discard();
  expect(made.used).toBe(0);
});

test("facts stand behind the content, and are found there", async () => {
  const content = Buffer.from("content");
  const facts = factsOf(file({ path: "é\u0000\u{1f5fb}" }), content.length);
  const bytes = Buffer.concat([content, encodeFacts(facts)]);
  const reader = (held: Buffer) => ({
    size: held.length,
    read: async (target: Uint8Array, position: number) => held.copy(target, 0, position),
    close: async () => undefined,
  });
  expect(await readFacts(reader(bytes))).toEqual(facts);
  for (let length = 0; length < bytes.length; length++)
    expect(await readFacts(reader(bytes.subarray(0, length))), `cut at ${length}`).toBeUndefined();
});

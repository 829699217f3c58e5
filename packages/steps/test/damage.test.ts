import { randomBytes } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { DecryptionError, decryptFile, decryptStream, encrypt, rawKey } from "../src/index.ts";
import { Dice, forSeeds } from "./support/random.ts";
import { collect, inChunks, run } from "./support/rig.ts";

const FRAME = 64 * 1024;
/** Number, IV, content and tag of a frame. */
const FRAME_ON_DISK = 4 + 12 + FRAME + 16;
const key = rawKey({ id: "key-1", key: randomBytes(32) });

async function encrypted(plain: Uint8Array): Promise<Buffer> {
  return (await run([encrypt({ keys: key })], inChunks(plain, []))).bytes;
}

async function codeOf(bytes: Uint8Array, sizes: Iterable<number> = []): Promise<string> {
  try {
    await collect(decryptStream(inChunks(bytes, sizes), { keys: key }));
  } catch (error) {
    if (error instanceof DecryptionError) return error.code;
    throw error;
  }
  return "decrypted";
}

/** Where the frames begin in a message of so many whole frames and an empty last one. */
function bodyOf(bytes: Buffer, frames: number): number {
  return bytes.length - (4 + 4 + 12 + 4 + 16) - frames * FRAME_ON_DISK;
}

describe("a message that is not as it was", () => {
  it("is found out wherever a single bit is turned", async () => {
    const bytes = await encrypted(Buffer.from("attack at dawn"));
    const codes = new Map<string, number>();
    for (let at = 0; at < bytes.length; at += 1) {
      const bent = Buffer.from(bytes);
      bent[at] = (bent[at] ?? 0) ^ (1 << (at % 8));
      const code = await codeOf(bent);
      codes.set(code, (codes.get(code) ?? 0) + 1);
    }
    expect([...codes.keys()].sort()).toEqual([
      "DECRYPT_DAMAGED",
      "DECRYPT_KEY_UNKNOWN",
      "DECRYPT_NOT_ENCRYPTED",
      "DECRYPT_TRUNCATED",
    ]);
    expect(codes.get("DECRYPT_NOT_ENCRYPTED")).toBe(3);
  });

  it("is found out wherever it is cut off", async () => {
    const bytes = await encrypted(Buffer.from("attack at dawn"));
    for (let length = 1; length < bytes.length; length += 1)
      expect(await codeOf(bytes.subarray(0, length))).toBe("DECRYPT_TRUNCATED");
    expect(await codeOf(new Uint8Array())).toBe("DECRYPT_NOT_ENCRYPTED");
  });

  it("is found out when it ends between two frames", async () => {
    const bytes = await encrypted(Buffer.alloc(3 * FRAME));
    const body = bodyOf(bytes, 3);
    for (const frames of [0, 1, 2, 3])
      expect(await codeOf(bytes.subarray(0, body + frames * FRAME_ON_DISK))).toBe("DECRYPT_TRUNCATED");
  });

  it("is found out when frames are exchanged, repeated or left out, however it is cut", async () => {
    const bytes = await encrypted(new Dice(1).bytes(3 * FRAME));
    const body = bodyOf(bytes, 3);
    const frame = (n: number) => bytes.subarray(body + n * FRAME_ON_DISK, body + (n + 1) * FRAME_ON_DISK);
    const head = bytes.subarray(0, body);
    const last = bytes.subarray(body + 3 * FRAME_ON_DISK);
    expect(await codeOf(Buffer.concat([head, frame(0), frame(1), frame(2), last]))).toBe("decrypted");
    await forSeeds(4, async (dice) => {
      for (const order of [[1, 0, 2], [0, 0, 1, 2], [0, 2], [0, 1], []]) {
        const bent = Buffer.concat([head, ...order.map(frame), last]);
        expect(await codeOf(bent, dice.cuts(bent.length, 90_000))).toBe("DECRYPT_DAMAGED");
      }
    });
  });

  it("is found out when a frame is renumbered or taken from another file", async () => {
    const [one, other] = [await encrypted(Buffer.alloc(2 * FRAME)), await encrypted(Buffer.alloc(2 * FRAME))];
    const body = bodyOf(one, 2);
    const renumbered = Buffer.concat([one.subarray(0, body), one.subarray(body + FRAME_ON_DISK)]);
    renumbered.writeUInt32BE(1, body);
    expect(await codeOf(renumbered)).toBe("DECRYPT_DAMAGED");
    const mixed = Buffer.from(one);
    other.copy(mixed, body, body, body + FRAME_ON_DISK);
    expect(await codeOf(mixed)).toBe("DECRYPT_DAMAGED");
  });

  it("is found out when something is appended", async () => {
    const bytes = await encrypted(Buffer.from("x"));
    expect(await codeOf(Buffer.concat([bytes, Buffer.from([0])]))).toBe("DECRYPT_DAMAGED");
    expect(await codeOf(Buffer.concat([bytes, bytes]))).toBe("DECRYPT_DAMAGED");
  });

  it("is refused when it promises frames that do not fit into memory", async () => {
    const bytes = await encrypted(Buffer.from("x"));
    const at = bytes.indexOf(Buffer.from([2, 0, 1, 0, 0]), 35);
    expect(at).toBeGreaterThan(0);
    bytes.writeUInt32BE(0xffff_ffff, at + 1);
    expect(await codeOf(bytes)).toBe("DECRYPT_DAMAGED");
  });

  it("is refused when it is something else", async () => {
    expect(await codeOf(Buffer.from("%PDF-1.7"))).toBe("DECRYPT_NOT_ENCRYPTED");
    expect(await codeOf(Buffer.from([2, 0x05, 0x78, 0]))).toBe("DECRYPT_NOT_ENCRYPTED");
    const endless = Buffer.concat([Buffer.from([2, 4, 0x78]), Buffer.alloc(400_000, 0xff)]);
    expect(await codeOf(endless, Array(100).fill(10_000))).toBe("DECRYPT_DAMAGED");
  });
});

describe("decryptFile", () => {
  let folder: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "bucketline-steps-"));
  });

  afterEach(() => rm(folder, { recursive: true }));

  it("writes the plaintext under its name, for its owner only", async () => {
    const plain = new Dice(3).bytes(3 * FRAME + 5);
    await writeFile(join(folder, "a.enc"), await encrypted(plain));
    await expect(decryptFile(join(folder, "a.enc"), join(folder, "a"), { keys: key })).resolves.toEqual({
      bytes: plain.length,
    });
    expect((await readFile(join(folder, "a"))).equals(plain)).toBe(true);
    expect((await stat(join(folder, "a"))).mode & 0o777).toBe(0o600);
    expect((await readdir(folder)).sort()).toEqual(["a", "a.enc"]);
  });

  it("takes bytes as well", async () => {
    await decryptFile(inChunks(await encrypted(Buffer.from("hello")), [9]), join(folder, "b"), { keys: key });
    expect(await readFile(join(folder, "b"), "utf8")).toBe("hello");
  });

  it("leaves nothing of a file that is damaged at its end, cut off, or of another key", async () => {
    const bytes = await encrypted(new Dice(4).bytes(4 * FRAME));
    const bent = Buffer.from(bytes);
    bent[bytes.length - 1] = (bent[bytes.length - 1] ?? 0) ^ 1;
    const to = join(folder, "out");
    const attempt = (input: Uint8Array, keys = key) => decryptFile(inChunks(input, [999]), to, { keys });
    await expect(attempt(bent)).rejects.toMatchObject({ code: "DECRYPT_DAMAGED" });
    await expect(attempt(bytes.subarray(0, -20))).rejects.toMatchObject({ code: "DECRYPT_TRUNCATED" });
    const other = rawKey({ id: "key-1", key: randomBytes(32) });
    await expect(attempt(bytes, other)).rejects.toMatchObject({ code: "DECRYPT_KEY_UNKNOWN" });
    expect(await readdir(folder)).toEqual([]);
  });

  it("replaces a file only when asked to", async () => {
    const to = join(folder, "out");
    await writeFile(to, "precious");
    const bytes = await encrypted(Buffer.from("new"));
    await expect(decryptFile(inChunks(bytes, []), to, { keys: key })).rejects.toMatchObject({ code: "INVALID_OPTION" });
    expect(await readFile(to, "utf8")).toBe("precious");
    await decryptFile(inChunks(bytes, []), to, { keys: key, overwrite: true });
    expect(await readFile(to, "utf8")).toBe("new");
    expect(await readdir(folder)).toEqual(["out"]);
  });

  it("leaves nothing when it is stopped, or the bytes stop coming", async () => {
    const bytes = await encrypted(new Dice(5).bytes(8 * FRAME));
    const controller = new AbortController();
    const reason = new Error("stopped");
    async function* source(atEnd: () => void) {
      yield* inChunks(bytes.subarray(0, 4 * FRAME), Array(8).fill(FRAME / 2));
      atEnd();
      yield bytes.subarray(4 * FRAME);
    }
    const { signal } = controller;
    const stopped = decryptFile(
      source(() => controller.abort(reason)),
      join(folder, "out"),
      { keys: key, signal },
    );
    await expect(stopped).rejects.toBe(reason);
    const broken = source(() => {
      throw new Error("reset");
    });
    await expect(decryptFile(broken, join(folder, "out"), { keys: key })).rejects.toThrow("reset");
    expect(await readdir(folder)).toEqual([]);
  });

  it("says when there is nothing to read", async () => {
    const missing = decryptFile(join(folder, "nothing"), join(folder, "out"), { keys: key });
    await expect(missing).rejects.toMatchObject({ code: "ENOENT" });
    expect(await readdir(folder)).toEqual([]);
  });
});

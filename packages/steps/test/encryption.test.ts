import { createHash, randomBytes } from "node:crypto";
import { gunzipSync } from "node:zlib";
import { buildDecrypt } from "@aws-crypto/decrypt-node";
import { RawAesKeyringNode, RawAesWrappingSuiteIdentifier } from "@aws-crypto/raw-aes-keyring-node";
import { describe, expect, it, vi } from "vitest";
import { decryptStream, encrypt, gzip, rawKey, sha256 } from "../src/index.ts";
import { Dice, forSeeds } from "./support/random.ts";
import { collect, inChunks, run, stepFile } from "./support/rig.ts";

const FRAME = 64 * 1024;
const key = rawKey({ id: "key-1", key: randomBytes(32) });

async function encrypted(plain: Uint8Array, sizes: Iterable<number> = []): Promise<Buffer> {
  return (await run([encrypt({ keys: key })], inChunks(plain, sizes))).bytes;
}

function decrypted(bytes: Uint8Array, sizes: Iterable<number> = []): Promise<Buffer> {
  return collect(decryptStream(inChunks(bytes, sizes), { keys: key }));
}

describe("encrypt and decryptStream", () => {
  it.each([0, 1, 2, 15, 16, FRAME - 1, FRAME, FRAME + 1, 2 * FRAME, 3 * FRAME + 7])(
    "give back %i bytes",
    async (length) => {
      const plain = new Dice(length).bytes(length);
      const bytes = await encrypted(plain);
      expect(bytes.subarray(0, 3).toString("hex")).toBe("020478");
      expect((await decrypted(bytes)).equals(plain)).toBe(true);
    },
  );

  it("do not depend on how the bytes are cut", async () => {
    await forSeeds(25, async (dice) => {
      const plain = dice.bytes(dice.int(0, 3 * FRAME));
      const bytes = await encrypted(plain, dice.cuts(plain.length, dice.int(1, 2 * FRAME)));
      const again = await decrypted(bytes, dice.cuts(bytes.length, dice.int(20, 2 * FRAME)));
      expect(again.equals(plain)).toBe(true);
    });
  });

  it("read a message byte by byte", async () => {
    const plain = new Dice(7).bytes(300);
    const bytes = await encrypted(plain);
    expect((await decrypted(bytes, Array(bytes.length).fill(1))).equals(plain)).toBe(true);
  });

  it("are the AWS Encryption SDK's format, as the documentation says", async () => {
    const bytes = randomBytes(32);
    const plain = new Dice(8).bytes(2 * FRAME + 1);
    const step = encrypt({ keys: rawKey({ id: "2026-01", key: bytes }), context: { "€": "1", "𝄞": "2", a: "3" } });
    const message = (await run([step], inChunks(plain, []))).bytes;
    const keyring = new RawAesKeyringNode({
      keyNamespace: "bucketline",
      keyName: "2026-01",
      unencryptedMasterKey: Uint8Array.from(bytes),
      wrappingSuite: RawAesWrappingSuiteIdentifier.AES256_GCM_IV12_TAG16_NO_PADDING,
      utf8Sorting: true,
    });
    const opened = await buildDecrypt().decrypt(keyring, message);
    expect(opened.plaintext.equals(plain)).toBe(true);
    expect(opened.messageHeader).toMatchObject({
      frameLength: FRAME,
      encryptionContext: { "€": "1", "𝄞": "2", a: "3" },
    });
  });

  it("use a data key of its own for every file", async () => {
    const plain = Buffer.alloc(100);
    const [one, other] = [await encrypted(plain), await encrypted(plain)];
    expect(one.subarray(3, 35).equals(other.subarray(3, 35))).toBe(false);
    expect(one.subarray(-100).equals(other.subarray(-100))).toBe(false);
  });

  it("describe the object", async () => {
    const step = encrypt({ keys: [key, rawKey({ id: "old", key: randomBytes(32) })], keySuffix: ".enc" });
    const { changes, messages } = await run([step], inChunks(Buffer.from("x"), []));
    expect(step).toMatchObject({ name: "encrypt", keySuffix: ".enc", late: false });
    expect(changes).toEqual([
      {
        contentType: "application/octet-stream",
        contentEncoding: null,
        metadata: { "encryption-format": "aws-encryption-sdk-2", "encryption-key-id": "key-1" },
      },
    ]);
    expect(messages).toEqual(["key key-1"]);
  });

  it("compose with sha256 and gzip", async () => {
    await forSeeds(10, async (dice) => {
      const plain = dice.bytes(dice.int(0, 3 * FRAME));
      const steps = [sha256(), gzip(), encrypt({ keys: key }), sha256({ name: "after", metadataName: "sha256-after" })];
      const { bytes, changes } = await run(steps, inChunks(plain, dice.cuts(plain.length, 9000)));
      expect(gunzipSync(await decrypted(bytes)).equals(plain)).toBe(true);
      const digest = (of: Uint8Array) => createHash("sha256").update(of).digest("hex");
      expect(changes[0]?.metadata).toEqual({ sha256: digest(plain) });
      expect(changes[3]?.metadata).toEqual({ "sha256-after": digest(bytes) });
    });
  });

  it("pass the input's error on and leave nothing running", async () => {
    const failure = new Error("disk gone");
    async function* failing() {
      yield Buffer.alloc(3 * FRAME);
      throw failure;
    }
    await expect(run([encrypt({ keys: key })], failing())).rejects.toBe(failure);
    const bytes = await encrypted(Buffer.alloc(3 * FRAME));
    async function* cut() {
      yield bytes.subarray(0, FRAME);
      throw failure;
    }
    await expect(collect(decryptStream(cut(), { keys: key }))).rejects.toBe(failure);
  });

  it("read no further than a slow reader", async () => {
    let given = 0;
    async function* plenty() {
      for (; given < 400; given += 1) yield Buffer.alloc(FRAME);
    }
    const { stream } = await encrypt({ keys: key }).transform(stepFile());
    if (typeof stream !== "function") throw new TypeError("encrypt is a generator");
    const output = stream(plenty())[Symbol.asyncIterator]();
    for (let n = 0; n < 5; n += 1) await output.next();
    await new Promise((resolve) => setImmediate(resolve));
    for (let n = 0; n < 200; n += 1) await new Promise((resolve) => setImmediate(resolve));
    expect(given).toBeLessThan(12);
    await output.return?.();
    for (let n = 0; n < 20; n += 1) await new Promise((resolve) => setImmediate(resolve));
    expect(given).toBeLessThan(14);
  });

  it("can be left in the middle", async () => {
    const bytes = await encrypted(Buffer.alloc(20 * FRAME));
    const closed = vi.fn();
    async function* source() {
      try {
        for (let n = 0; n < 20; n += 1) yield bytes.subarray(n * FRAME, (n + 1) * FRAME);
      } finally {
        closed();
      }
    }
    for await (const chunk of decryptStream(source(), { keys: key })) {
      expect(chunk.length).toBeGreaterThan(0);
      break;
    }
    await vi.waitFor(() => expect(closed).toHaveBeenCalledOnce());
  });

  it("stop decrypting when the signal says so", async () => {
    const bytes = await encrypted(Buffer.alloc(10 * FRAME));
    const controller = new AbortController();
    const reason = new Error("enough");
    const closed = vi.fn();
    async function* source() {
      try {
        yield* inChunks(bytes, Array(100).fill(FRAME));
      } finally {
        closed();
      }
    }
    const reading = (async () => {
      for await (const chunk of decryptStream(source(), { keys: key, signal: controller.signal })) {
        expect(chunk.length).toBeGreaterThan(0);
        controller.abort(reason);
      }
    })();
    await expect(reading).rejects.toBe(reason);
    await vi.waitFor(() => expect(closed).toHaveBeenCalledOnce());
  });
});

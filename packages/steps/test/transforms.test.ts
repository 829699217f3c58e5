import { createHash } from "node:crypto";
import { gunzipSync, gzipSync, zstdDecompressSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { encrypt, gzip, rawKey, sha256, zstd } from "../src/index.ts";
import { Dice, forSeeds } from "./support/random.ts";
import { inChunks, run } from "./support/rig.ts";

const invalid = expect.objectContaining({ code: "INVALID_PIPELINE" });

describe.each([
  { step: gzip, name: "gzip", type: "application/gzip", open: gunzipSync, levels: [0, 1, 9], wrong: [-1, 10, 1.5] },
  {
    step: zstd,
    name: "zstd",
    type: "application/zstd",
    open: zstdDecompressSync,
    levels: [1, 19],
    wrong: [0, 20, 2.5],
  },
])("$name", ({ step, name, type, open, levels, wrong }) => {
  it("gives back what went in, however it was cut", async () => {
    await forSeeds(20, async (dice) => {
      const plain = dice.bytes(dice.int(0, 200_000));
      const { bytes } = await run([step()], inChunks(plain, dice.cuts(plain.length, dice.int(1, 70_000))));
      expect(open(bytes).equals(plain)).toBe(true);
    });
  });

  it.each([0, 1])("takes %i bytes", async (length) => {
    expect(open((await run([step()], inChunks(Buffer.alloc(length), []))).bytes).length).toBe(length);
  });

  it("makes the same object of the same bytes", async () => {
    const plain = new Dice(1).bytes(100_000);
    const once = await run([step()], inChunks(plain, []));
    const again = await run([step()], inChunks(plain, []));
    expect(again.bytes.equals(once.bytes)).toBe(true);
    expect(once.bytes.length).toBeLessThan(plain.length);
  });

  it("is an encoding without a suffix, and a file of its own with one", async () => {
    const plain = step({});
    const file = step({ keySuffix: ".z" });
    expect([plain.name, plain.keySuffix, plain.late]).toEqual([name, "", false]);
    expect(file.keySuffix).toBe(".z");
    const changes = async (of: typeof plain) => (await run([of], inChunks(Buffer.from("x"), []))).changes;
    expect(await changes(plain)).toEqual([{ contentEncoding: name }]);
    expect(await changes(step({ keySuffix: "" }))).toEqual([{ contentEncoding: name }]);
    expect(await changes(file)).toEqual([{ contentType: type, contentEncoding: null }]);
  });

  it("takes the levels it says", async () => {
    const plain = new Dice(2).bytes(50_000);
    for (const level of levels)
      expect(open((await run([step({ level })], inChunks(plain, []))).bytes).equals(plain)).toBe(true);
    for (const level of wrong) expect(() => step({ level })).toThrow(invalid);
  });
});

describe("gzip", () => {
  it("writes neither time nor name into its header", async () => {
    const { bytes } = await run([gzip()], inChunks(Buffer.from("x"), []));
    expect(bytes.subarray(0, 8).toString("hex")).toBe("1f8b080000000000");
    expect(bytes.equals(gzipSync("x", { level: 6 }))).toBe(true);
  });
});

describe("sha256", () => {
  it("passes the bytes through and tells their digest once they have passed", async () => {
    await forSeeds(15, async (dice) => {
      const plain = dice.bytes(dice.int(0, 100_000));
      const { bytes, changes, messages } = await run([sha256()], inChunks(plain, dice.cuts(plain.length, 5000)));
      const digest = createHash("sha256").update(plain).digest("hex");
      expect(bytes.equals(plain)).toBe(true);
      expect(changes).toEqual([{ metadata: { sha256: digest } }]);
      expect(messages).toEqual([digest]);
    });
  });

  it("is late, and each run is one of its own", async () => {
    const step = sha256();
    expect(step.late).toBe(true);
    const [one, two] = await Promise.all(["a", "b"].map((text) => run([step], inChunks(Buffer.from(text), []))));
    expect(one?.changes[0]?.metadata?.sha256).toMatch(/^ca978112/);
    expect(two?.changes[0]?.metadata?.sha256).toMatch(/^3e23e816/);
  });

  it("refuses names that metadata cannot have", () => {
    for (const metadataName of ["", "A", "bucketline-x", "a b"])
      expect(() => sha256({ metadataName })).toThrow(invalid);
  });
});

describe("the version of a ready-made transform", () => {
  const key = (id: string) => rawKey({ id, key: Buffer.alloc(32, 7) });
  const context = { team: "a", use: "b" };

  it("is none while its options are the defaults", () => {
    const steps = [gzip(), gzip({ level: 6, keySuffix: "" }), zstd({ level: 3 }), sha256({ metadataName: "sha256" })];
    expect(steps.map(({ version }) => version)).toEqual([undefined, undefined, undefined, undefined]);
  });

  it.each([
    {
      what: "gzip",
      steps: [gzip(), gzip({ level: 9 }), gzip({ level: 9, keySuffix: ".gz" }), gzip({ keySuffix: ".gz" })],
    },
    { what: "zstd", steps: [zstd(), zstd({ level: 9 }), zstd({ keySuffix: ".zst" })] },
    { what: "sha256", steps: [sha256(), sha256({ metadataName: "digest" })] },
    {
      what: "encrypt",
      steps: [encrypt({ keys: key("1") }), encrypt({ keys: key("2") }), encrypt({ keys: key("1"), context })],
    },
  ])("changes with what $what makes", ({ steps }) => {
    expect(new Set(steps.map(({ version }) => version)).size).toBe(steps.length);
  });

  it("stays the same where the output does", () => {
    const swapped = { use: "b", team: "a" };
    const { version } = encrypt({ keys: key("1"), context });
    expect(encrypt({ keys: [key("1"), key("2")], context: swapped, name: "other" }).version).toBe(version);
    expect(gzip({ level: 9, name: "other" }).version).toBe(gzip({ level: 9 }).version);
  });
});

import { randomBytes } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { askClamd } from "../src/doctor/clamd.ts";
import { Bed } from "./support/program.ts";

const CONTENT = randomBytes(300_000);
let bed: Bed;

beforeAll(async () => {
  bed = await Bed.open();
  await bed.write("k1.key", randomBytes(32));
  await bed.write("other/k1.key", randomBytes(32));
  await bed.write("another.key", randomBytes(32));
  const keys = "[{ id: k1, keyFile: k1.key }]";
  await bed.write("sealed.yaml", `pipelines: { sealed: [encrypt: { keys: ${keys}, context: { of: us } }] }\n`);
  await bed.write("plain/a.bin", CONTENT);
  const line = ["sync", "plain", "s3://my-bucket", "--pipeline", "sealed", "--config", "sealed.yaml"];
  expect((await bed.run(line)).code).toBe(0);
  const body = (await bed.sandbox.object("my-bucket", "a.bin"))?.body ?? Buffer.alloc(0);
  expect(body.includes(CONTENT.subarray(0, 100))).toBe(false);
  await bed.write("a.enc", body);
  await bed.write("cut.enc", body.subarray(0, body.length - 40));
  const damaged = Buffer.from(body);
  damaged[100_000] = (damaged[100_000] ?? 0) ^ 1;
  await bed.write("damaged.enc", damaged);
});
afterAll(async () => await bed.close());

describe("decrypt", () => {
  test.each([
    [["--key-file", "k1.key"]],
    [["--key-file", "another.key", "--key-file", "k1.key"]],
    [["--key-file", "other/k1.key", "--key-id", "old", "--key-file", "k1.key", "--key-id", "k1"]],
    [["--key-file", "k1.key", "--context", "of=us"]],
    [["--config", "sealed.yaml"]],
  ])("gives the bytes back with %j", async (options) => {
    const { code, stdout, stderr } = await bed.run(["decrypt", "a.enc", "a.out", "--force", ...options]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toMatch(/^Decrypted and authenticated: .*a\.out, 300\.0 kB\.\n$/);
    expect((await readFile(join(bed.folder, "a.out"))).equals(CONTENT)).toBe(true);
  });

  test.each([
    ["a wrong key of the right name", 2, "DECRYPT_KEY_UNKNOWN", ["a.enc", "x", "--key-file", "other/k1.key"]],
    ["a key of another name", 2, "DECRYPT_KEY_UNKNOWN", ["a.enc", "x", "--key-file", "another.key"]],
    ["no key", 2, "USAGE", ["a.enc", "x"]],
    ["names for some keys only", 2, "USAGE", ["a.enc", "x", "--key-file", "a", "--key-file", "b", "--key-id", "a"]],
    ["a key file that is not there", 2, "USAGE", ["a.enc", "x", "--key-file", "gone.key"]],
    ["a file that is not there", 2, "USAGE", ["gone.enc", "x", "--key-file", "k1.key"]],
    ["a folder that is not there", 2, "USAGE", ["a.enc", "gone/x", "--key-file", "k1.key"]],
    ["a target that is there", 2, "INVALID_OPTION", ["a.enc", "k1.key", "--key-file", "k1.key"]],
    ["another context", 1, "DECRYPT_CONTEXT", ["a.enc", "x", "--key-file", "k1.key", "--context", "of=them"]],
    ["a file that was cut off", 1, "DECRYPT_TRUNCATED", ["cut.enc", "x", "--key-file", "k1.key"]],
    ["a file that was altered", 1, "DECRYPT_DAMAGED", ["damaged.enc", "x", "--key-file", "k1.key"]],
    ["a file that is not encrypted", 1, "DECRYPT_NOT_ENCRYPTED", ["plain/a.bin", "x", "--key-file", "k1.key"]],
  ])("with %s ends with exit code %i, and leaves nothing", async (_, exitCode, name, args) => {
    const before = await readdir(bed.folder);
    const { code, stderr } = await bed.run(["decrypt", ...args, "--json"]);
    expect({ code, error: JSON.parse(stderr).error.code }).toEqual({ code: exitCode, error: name });
    expect(await readdir(bed.folder)).toEqual(before);
  });

  test("to standard output says that nothing may be trusted before the end", async () => {
    const good = await bed.run(["decrypt", "a.enc", "-", "--key-file", "k1.key"]);
    expect({ code: good.code, stderr: good.stderr }).toEqual({
      code: 0,
      stderr: "Nothing of the output may be trusted before this ends with exit code 0.\n",
    });
    expect(good.stdout).toBe(CONTENT.toString("utf8"));
    const cut = await bed.run(["decrypt", "cut.enc", "-", "--key-file", "k1.key"]);
    expect(cut.code).toBe(1);
  });

  test("takes standard input", async () => {
    // The program is started without any: an empty one is no encrypted file.
    const { code, stderr } = await bed.run(["decrypt", "-", "-", "--key-file", "k1.key", "--json"]);
    expect({ code, error: JSON.parse(stderr).error.code }).toEqual({
      code: 1,
      error: expect.stringMatching(/DECRYPT_(NOT_ENCRYPTED|TRUNCATED)/),
    });
  });
});

describe("clamd", () => {
  const serving = async (answer: string | undefined, work: (port: number) => Promise<void>) => {
    const server = createServer((socket) => {
      socket.on("error", () => socket.destroy());
      socket.once("data", () => (answer === undefined ? socket.destroy() : socket.write(answer)));
    });
    await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
    try {
      const address = server.address();
      await work(typeof address === "object" && address ? address.port : 0);
    } finally {
      server.close();
    }
  };
  const ask = (port: number) => askClamd({ host: "127.0.0.1", port }, new AbortController().signal);

  test("is asked for its version", async () => {
    await serving("ClamAV 1.4.3/27800\0", async (port) => expect(await ask(port)).toBe("ClamAV 1.4.3/27800"));
  });

  test.each([
    [undefined, "closed the connection"],
    ["x".repeat(5_000), "does not answer as clamd does"],
  ])("that answers %j is none", async (answer, says) => {
    await serving(answer, async (port) => await expect(ask(port)).rejects.toThrow(says));
  });
});

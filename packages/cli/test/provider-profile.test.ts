import { mkdtemp, readdir, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { makeObjects } from "../src/assembly/objects.ts";
import { profilePath, readProfile, writeProfile } from "../src/assembly/provider-profile.ts";
import { loadConfig } from "../src/config/load.ts";

let folder: string;
beforeEach(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), "bucketline-profile-")));
});
afterEach(async () => await rm(folder, { recursive: true }));

const configOf = (environment: Record<string, string> = {}) => loadConfig({ folder, environment, flags: {} });
const PLAIN = { checksums: "none", conditionalWrites: false, checkedAt: "2026-01-02T03:04:05.000Z" } as const;
const OWN = {
  AWS_ENDPOINT_URL: "http://127.0.0.1:9000/",
  AWS_REGION: "x",
  AWS_ACCESS_KEY_ID: "a",
  AWS_SECRET_ACCESS_KEY: "b",
};

test("a profile holds for its endpoint, and settings override it", async () => {
  await writeProfile(await configOf(OWN), PLAIN);
  await writeProfile(await configOf(), { ...PLAIN, checksums: "crc32" });
  expect(await readProfile(await configOf({ AWS_ENDPOINT_URL: "http://127.0.0.1:9000" }))).toEqual(PLAIN);
  expect(await readProfile(await configOf({ AWS_ENDPOINT_URL: "http://127.0.0.1:9001" }))).toBeUndefined();
  expect((await readProfile(await configOf()))?.checksums).toBe("crc32");

  const capabilities = async (more: Record<string, string>) => {
    const objects = await makeObjects(await configOf({ ...OWN, ...more }));
    await objects.close();
    return objects.capabilities;
  };
  expect(await capabilities({})).toMatchObject({ checksums: false, conditionalWrites: false });
  expect(await capabilities({ BUCKETLINE_CHECKSUMS: "crc32" })).toMatchObject({
    checksums: true,
    conditionalWrites: false,
  });
  expect(await capabilities({ AWS_ENDPOINT_URL: "http://other" })).toMatchObject({
    checksums: true,
    conditionalWrites: true,
  });
});

test.each([["{"], ["[]"], ["null"], ['{"aws":{"checksums":"md5","conditionalWrites":true}}']])(
  "%j is no profile, and is replaced whole",
  async (text) => {
    const config = await configOf({ BUCKETLINE_DATA: "." });
    await writeFile(profilePath(config), text);
    expect(await readProfile(config)).toBeUndefined();
    await writeProfile(config, PLAIN);
    expect(await readProfile(config)).toEqual(PLAIN);
    expect(await readdir(folder)).toEqual(["providers.json"]);
  },
);

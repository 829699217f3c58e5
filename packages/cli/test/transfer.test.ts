import { hostname } from "node:os";
import { newUpload, reduceUpload, type StateStore, type UploadSpec } from "@bucketline/core";
import { SqliteStateStore } from "@bucketline/store-sqlite";
import { expect, test } from "vitest";
import { onlyUploads } from "../src/assembly/only-uploads.ts";
import { loadConfig } from "../src/config/load.ts";
import { differences, uploadOf } from "../src/transfer/identity.ts";

const context = async (environment: Record<string, string> = {}, folder = "/work") => ({
  config: await loadConfig({ folder, environment: { BUCKETLINE_DATA: "/state", ...environment }, flags: {} }),
  folder,
});
const errand = { folder: "photos", destination: "s3://b/2026" };

const KNOWN: UploadSpec = {
  sourceFolder: "/work/photos",
  bucket: "b",
  pattern: ["**"],
  exclude: [],
  dot: true,
  keyTemplate: "2026/{path}",
  mode: "watch",
  symlinks: "skip",
  overwrite: "always",
  minSize: null,
  maxSize: null,
  minAge: null,
  maxAge: null,
  priority: 0,
  compare: "stat",
  onSourceDelete: "keep",
  afterUpload: "keep",
  drop: null,
  deleteLimit: { files: 1_000, share: 0.5 },
  rootMarker: null,
  schedule: "manual",
  maxUnstableAge: null,
  activeHours: null,
  bandwidthLimit: null,
  host: null,
  pipeline: null,
  keySuffix: "",
  object: {},
};

test("an id stands for a folder and where it goes, and for nothing else", async () => {
  const here = await context();
  const { id } = uploadOf(here, errand);
  expect(id).toMatch(/^photos-[0-9a-f]{10}$/);
  const same = [
    uploadOf(here, { folder: "./photos/", destination: "s3://b/2026/" }),
    uploadOf(here, { ...errand, exclude: ["*.tmp"] }),
    uploadOf(await context({}, "/elsewhere"), { ...errand, folder: "/work/photos" }),
  ];
  expect(same.map((upload) => upload.id)).toEqual([id, id, id]);
  const other = [
    uploadOf(here, { ...errand, folder: "other/photos" }),
    uploadOf(here, { ...errand, destination: "s3://b" }),
    uploadOf(here, { ...errand, destination: "s3://c/2026" }),
    uploadOf(here, { ...errand, keyTemplate: "{name}{ext}" }),
    uploadOf(await context({ AWS_ENDPOINT_URL: "http://127.0.0.1:9000" }), errand),
  ];
  expect(new Set([id, ...other.map((upload) => upload.id)]).size).toBe(6);
});

test("names that no id can have make one all the same", async () => {
  const here = await context();
  expect(uploadOf(here, { ...errand, folder: "日本 語" }).id).toMatch(/^-?-[0-9a-f]{10}$/);
  expect(uploadOf(here, { ...errand, folder: "/" }).id).toMatch(/^folder-[0-9a-f]{10}$/);
  expect(uploadOf(here, { ...errand, folder: "x".repeat(300) }).id.length).toBeLessThanOrEqual(128);
});

test("on a ledger that hosts share, the upload is this host's", async () => {
  const shared = await context({ DATABASE_URL: "postgres://localhost/x" });
  expect(uploadOf(shared, errand)).toMatchObject({ host: hostname() });
  const named = await context({ DATABASE_URL: "postgres://localhost/x", BUCKETLINE_HOST_NAME: "a" });
  expect(uploadOf(named, errand)).toMatchObject({ host: "a" });
  expect(uploadOf(named, errand).id).not.toBe(uploadOf(shared, errand).id);
  expect(uploadOf(await context(), errand)).not.toHaveProperty("host");
});

test("the ledger is left out when it lies in the folder, whatever its name", async () => {
  const inside = await context({ DATABASE_URL: "sqlite:photos/a[b]/state.db" });
  expect(uploadOf(inside, { ...errand, exclude: ["x"] }).exclude).toEqual(["x", "a\\[b\\]/state.db*"]);
  const dataFolder = await context({ BUCKETLINE_DATA: "/work/photos/.state" });
  expect(uploadOf(dataFolder, errand).exclude).toEqual([".state/**"]);
  expect(uploadOf(await context(), errand)).not.toHaveProperty("exclude");
});

test("differences are named with both values", async () => {
  const here = await context();
  expect(differences(KNOWN, uploadOf(here, errand))).toEqual([]);
  expect(differences(KNOWN, uploadOf(here, { ...errand, dot: false, minSize: 1, exclude: ["x"] }))).toEqual([
    { name: "exclude", registered: [], asked: ["x"] },
    { name: "dot", registered: true, asked: false },
    { name: "minSize", registered: null, asked: 1 },
  ]);
});

test("a service that sees only some uploads finds no others", async () => {
  const store = new SqliteStateStore(":memory:");
  await store.open();
  for (const id of ["d", "c", "b", "a"]) await store.insertUpload(newUpload(id, KNOWN, 0));
  const before = newUpload("b", KNOWN, 0);
  expect(await store.updateUpload(before, reduceUpload(before, { type: "pause" }, 1))).toBe(true);
  const seen = onlyUploads(store, ["a", "b", "c", "unknown"]);
  const ids = async (page: Parameters<StateStore["listUploads"]>[0]) =>
    (await seen.listUploads(page)).map(({ id }) => id);
  expect(await ids({ limit: 2 })).toEqual(["a", "b"]);
  expect(await ids({ limit: 2, after: "b" })).toEqual(["c"]);
  expect(await ids({ limit: 9, states: ["PENDING"] })).toEqual(["a", "c"]);
  expect(await ids({ limit: 9, cleanupDue: true })).toEqual([]);
  expect(await seen.getUpload("d")).toMatchObject({ id: "d" });
  await seen.close();
});

import { link, mkdir, mkdtemp, rename, rm, symlink, unlink, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { systemClock } from "@bucketline/core";
import { MemoryBuckets, MemoryObjectStore } from "@bucketline/core/testing";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Bed, BUCKET } from "../support/bed.ts";

const SECRET = "what lies outside ";

/** A bucket that keeps every byte it was ever sent, of aborted and replaced objects, too. */
class RecordingStore extends MemoryObjectStore {
  readonly #sent: Buffer[] = [];
  /** Called before each part is taken. */
  onPart: () => Promise<void> = async () => {};

  override async putObject(request: Parameters<MemoryObjectStore["putObject"]>[0]) {
    this.#sent.push(Buffer.from(request.body));
    return await super.putObject(request);
  }

  override async uploadPart(request: Parameters<MemoryObjectStore["uploadPart"]>[0]) {
    await this.onPart();
    this.#sent.push(Buffer.from(request.body));
    return await super.uploadPart(request);
  }

  get sent(): string {
    return Buffer.concat(this.#sent).toString();
  }
}

let bed: Bed;
let outside: string;
let store: RecordingStore;

beforeEach(async () => {
  const buckets = new MemoryBuckets();
  buckets.create(BUCKET);
  store = new RecordingStore({ state: buckets, clock: systemClock, capabilities: { minPartSize: 1 } });
  // Small parts, so that a large file is read in many goes.
  bed = await Bed.open({ service: { objects: store, chunkSize: 64 * 1024 } });
  outside = await mkdtemp(join(tmpdir(), `${basename(bed.root)}-outside-`));
  await old(join(outside, "secret.txt"), SECRET);
  await old(join(outside, "large.bin"), SECRET.repeat(20_000));
});

afterEach(async () => {
  await bed.close();
  await rm(outside, { recursive: true, force: true });
});

async function old(path: string, content: string): Promise<void> {
  await writeFile(path, content);
  const then = Date.now() / 1000 - 60;
  await utimes(path, then, then);
}

const codeOf = async (source_folder: string, path = "/uploads") => {
  const { status, body } = await bed.call(path, { body: { source_folder, destination_bucket: BUCKET } });
  return [status, body.code];
};

const REFUSED = [403, "SOURCE_NOT_ALLOWED"];

async function scan(id: string) {
  return await bed.call(`/uploads/${id}/check`, { body: { wait: true, trust_folder: true } });
}

/** Nothing of ours is in flight any more. */
async function settled(id: string): Promise<void> {
  await expect
    .poll(async () => (await bed.call(`/uploads/${id}`)).body, { timeout: 20_000 })
    .toMatchObject({ state: expect.stringMatching(/^(COMPLETED|FAILED|CANCELLED)$/) });
}

test("a folder outside the roots is refused, however it is written, and what is not there says the same", async () => {
  await mkdir(join(bed.root, "in"));
  const folders = [
    outside,
    `${outside}/`,
    `${bed.root}/../${basename(outside)}`,
    `${bed.root}/in/../../${basename(outside)}`,
    `${bed.root}/./in/../..`,
    `${bed.root}/..`,
    "/",
    "/etc",
    "..",
    ".",
    "relative/folder",
    `${outside}/secret.txt`,
    `${outside}/not-there`,
    "/not-there-at-all",
  ];
  for (const folder of folders) {
    expect([folder, await codeOf(folder)]).toEqual([folder, REFUSED]);
    expect([folder, await codeOf(folder, "/uploads/plan")]).toEqual([folder, REFUSED]);
  }
  for (const folder of ["~", "file:///etc", `${bed.root}/in\0/../..`, `${bed.root}%2f..`, `\\\\host\\share`]) {
    const [status] = await codeOf(folder);
    expect([folder, status]).toEqual([folder, expect.toBeOneOf([400, 403, 422])]);
  }
  expect((await bed.call("/uploads")).body.uploads).toEqual([]);
  expect(store.sent).toBe("");
});

test("a link to a folder outside is refused, at the end of the path and on the way, and so are chains of them", async () => {
  await mkdir(join(outside, "deep"));
  await symlink(outside, join(bed.root, "link"));
  await symlink("link", join(bed.root, "again"));
  await symlink(`../${basename(outside)}`, join(bed.root, "relative"));
  for (const name of ["link", "again", "relative", "link/deep", "again/deep/.."])
    expect([name, await codeOf(join(bed.root, name))]).toEqual([name, REFUSED]);
  expect(await codeOf(`${bed.root}/link/deep`)).toEqual(REFUSED);
  expect(store.sent).toBe("");
});

test("links below the source folder lead nowhere outside, even where links are followed", async () => {
  await bed.write("in/own.txt", "own");
  await symlink(outside, join(bed.root, "in/folder"));
  await symlink(join(outside, "secret.txt"), join(bed.root, "in/file.txt"));
  await symlink(`../../${basename(outside)}/large.bin`, join(bed.root, "in/relative.bin"));
  for (const symlinks of ["follow", "skip"]) {
    const created = await bed.create("in", { upload_id: symlinks, symlinks });
    expect(created.status).toBe(201);
    await settled(symlinks);
    expect((await bed.call(`/uploads/${symlinks}`)).body).toMatchObject({ completed_files: 1 });
  }
  expect(store.sent).toBe("ownown");
});

test("a link that takes the folder's place after registration uploads nothing from outside", async () => {
  await bed.write("in/own.txt", "own");
  expect((await bed.create("in", { upload_id: "swapped", mode: "watch" })).status).toBe(201);
  await settled("swapped");
  await rename(join(bed.root, "in"), join(bed.root, "aside"));
  await symlink(outside, join(bed.root, "in"));
  await scan("swapped");
  await settled("swapped");
  expect((await bed.call("/uploads/swapped")).body).toMatchObject({ reason: { code: "SOURCE_NOT_ALLOWED" } });
  await bed.call("/uploads/swapped/retry", { method: "POST" });
  await scan("swapped");
  await settled("swapped");
  expect(store.sent).toBe("own");
  await unlink(join(bed.root, "in"));
  await rename(join(bed.root, "aside"), join(bed.root, "in"));
  await bed.write("in/more.txt", "more");
  await scan("swapped");
  await expect.poll(() => store.sent, { timeout: 20_000 }).toBe("ownmore");
});

test("a link that takes the place of a folder between two parts of a file uploads nothing from outside", async () => {
  await bed.write("in/sub/large.bin", "own ".repeat(200_000));
  const [folder, aside] = [join(bed.root, "in/sub"), join(bed.root, "aside")];
  let parts = 0;
  store.onPart = async () => {
    parts += 1;
    if (parts !== 2) return;
    await rename(folder, aside);
    await symlink(outside, folder);
  };
  await bed.create("in", { upload_id: "between", symlinks: "follow" });
  await settled("between");
  expect(parts).toBeGreaterThan(2);
  await bed.call("/uploads/between/retry", { method: "POST" });
  await settled("between");
  expect(store.sent).not.toContain(SECRET);
});

test("links that come and go while folders are scanned upload nothing from outside", async () => {
  for (const name of ["large.bin", "secret.txt"]) await bed.write(`in/sub/${name}`, "own ".repeat(100_000));
  await bed.create("in", { upload_id: "raced", mode: "watch", symlinks: "follow" });
  await settled("raced");
  expect(store.sent).toContain("own own");
  const [folder, aside] = [join(bed.root, "in/sub"), join(bed.root, "aside")];
  const large = join(bed.root, "aside/large.bin");
  for (let round = 0; round < 25; round += 1) {
    const scanned = scan("raced");
    await rename(folder, aside);
    await symlink(outside, folder);
    await utimes(large, round + 1, round + 1);
    await scanned;
    const again = scan("raced");
    await unlink(folder);
    await rename(aside, folder);
    await again;
  }
  expect(store.sent).not.toContain(SECRET);
});

test("a file that becomes a link between scan and transfer is not sent", async () => {
  for (let at = 0; at < 40; at += 1) await bed.write(`in/${at}.txt`, SECRET.toUpperCase());
  await bed.create("in", { upload_id: "files", mode: "once" });
  for (let at = 0; at < 40; at += 1) {
    await unlink(join(bed.root, `in/${at}.txt`));
    await symlink(join(outside, "secret.txt"), join(bed.root, `in/${at}.txt`));
  }
  await settled("files");
  expect(store.sent).not.toContain(SECRET);
});

test("a root is a folder, not a prefix of names, and a link may be a root", async () => {
  const beside = `${bed.root}-beside`;
  await mkdir(beside);
  expect(await codeOf(beside)).toEqual(REFUSED);
  const alias = `${bed.root}-alias`;
  await symlink(bed.root, alias);
  await bed.write("in/own.txt", "own");
  expect((await codeOf(`${alias}/in`))[0]).toBe(201);
  await rm(beside, { recursive: true });
  await rm(alias);
});

test("without roots no client names a folder, and nobody changes where an upload reads", async () => {
  await bed.write("in/own.txt", "own");
  await bed.create("in", { upload_id: "fixed" });
  const moved = await bed.call("/uploads/fixed", { method: "PATCH", body: { source_folder: outside } });
  expect(moved.status).toBe(400);
  const again = await bed.call("/uploads", {
    body: { upload_id: "fixed", source_folder: outside, destination_bucket: BUCKET },
  });
  expect(again.body.code).toBe("UPLOAD_EXISTS");
  await bed.close();
  bed = await Bed.open({ service: { allowedRoots: [] } });
  expect(await codeOf(outside)).toEqual([403, "ROOTS_REQUIRED"]);
  expect(await codeOf(outside, "/uploads/plan")).toEqual([403, "ROOTS_REQUIRED"]);
});

test("clients choose no endpoint and no credentials", async () => {
  await bed.write("in/own.txt", "own");
  for (const name of ["endpoint", "region", "access_key_id", "credentials", "force_path_style", "allowed_roots"])
    expect([name, (await bed.create("in", { [name]: "http://evil.example" })).status]).toEqual([name, 400]);
  expect(store.sent).toBe("");
});

test("a second name of a file (hard link) is that file: whoever may write below a root decides what is sent", async () => {
  await mkdir(join(bed.root, "in"));
  await link(join(outside, "secret.txt"), join(bed.root, "in/name.txt"));
  await bed.create("in", { upload_id: "linked" });
  await settled("linked");
  expect(store.sent).toBe(SECRET);
});

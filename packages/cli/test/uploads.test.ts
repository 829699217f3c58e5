import { join } from "node:path";
import { UploadService } from "@bucketline/core";
import { S3ObjectStore } from "@bucketline/core/s3";
import { createServer } from "@bucketline/http";
import { SqliteStateStore } from "@bucketline/store-sqlite";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Bed } from "./support/program.ts";

const HOSTILE = "evil\u001b[2J\u202e\nname.txt";

let bed: Bed;
let service: UploadService | undefined;

beforeEach(async () => {
  bed = await Bed.open();
});

afterEach(async () => {
  await service?.stop();
  service = undefined;
  await bed.close();
});

const ledger = () => join(bed.folder, ".local/state/bucketline/uploads.db");

/** A service that shares the ledger of the commands, in this process. */
async function startService(options: { readonly start: boolean }): Promise<UploadService> {
  service = new UploadService({
    state: new SqliteStateStore(ledger()),
    objects: new S3ObjectStore(bed.sandbox.clientConfig),
    allowedRoots: [bed.folder],
    stabilityThreshold: 0,
    watcher: "none",
    retry: { attempts: 1 },
  });
  if (options.start) await service.start();
  return service;
}

/** An upload of three files, of which one fails, that the service has worked off; it is stopped again. */
async function registerAndWork(): Promise<void> {
  await bed.write("photos/a.jpg", "a jpeg");
  await bed.write(`photos/${HOSTILE}`, "a name");
  await bed.write("photos/refused.bin", "refused");
  const id = await bed.json([
    "register",
    "photos",
    "s3://my-bucket/pre/fix",
    "--id",
    "photos",
    "--tag",
    "a=b=c",
    "--max-size",
    "1MiB",
  ]);
  expect(id).toEqual([{ upload_id: "photos", status: "created" }]);
  const refusal = { type: "respond", code: "InvalidRequest" } as const;
  bed.sandbox.fault({ operation: "PutObject", key: "pre/fix/refused.bin", times: 9, action: refusal });
  const working = await startService({ start: true });
  await expect(working.finished("photos")).rejects.toThrow();
  bed.sandbox.clearFaults();
  await working.stop();
  service = undefined;
}

describe("an upload", () => {
  test("is registered, shown and steered; another registration of the same id is refused", async () => {
    await bed.write("photos/a.jpg", "a jpeg");
    const register = ["register", "photos", "s3://my-bucket", "--id", "photos"];
    expect(await bed.json(register)).toEqual([{ upload_id: "photos", status: "created" }]);
    expect(await bed.json(register)).toEqual([{ upload_id: "photos", status: "exists" }]);
    const other = await bed.run([...register, "--no-dot"]);
    expect(other.code).toBe(2);
    expect(other.stderr).toContain("photos");

    expect(await bed.json(["pause", "photos"])).toMatchObject([{ upload_id: "photos", state: "PAUSED" }]);
    expect((await bed.run(["pause", "photos"])).code).toBe(2);
    expect(await bed.json(["resume", "photos"])).toMatchObject([{ state: "IN_PROGRESS" }]);
    expect(await bed.json(["cancel", "photos"])).toMatchObject([{ state: "CANCELLED", status: "cancelled" }]);
    expect(await bed.json(["ls", "--state", "cancelled"])).toHaveLength(1);
    expect(await bed.json(["ls", "--state", "failed"])).toEqual([]);
    expect((await bed.run(["resume", "photos"])).code).toBe(2);
  });

  test("is steered while a service works on it", async () => {
    await bed.write("photos/a.jpg", "a jpeg");
    await bed.json(["register", "photos", "s3://my-bucket", "--id", "photos"]);
    const working = await startService({ start: true });
    await working.finished("photos");
    expect((await bed.json(["status", "photos"]))[0]).toMatchObject({ state: "COMPLETED", completed_files: 1 });
    await bed.json(["pause", "photos"]);
    expect((await working.get("photos")).state).toBe("PAUSED");
  });

  test("looks as the HTTP API shows it, and so do its files", async () => {
    await registerAndWork();
    const answering = await startService({ start: false });
    const server = await createServer({ service: answering, port: 0 });
    const get = async (path: string) =>
      (await (await fetch(`${server.url}/api/v1/uploads${path}`)).json()) as Record<string, unknown>;
    try {
      const upload = await get("/photos");
      expect(upload).toMatchObject({
        state: "FAILED",
        total_files: 3,
        completed_files: 2,
        settings: { object: { tags: { a: "b=c" } } },
      });
      expect(await bed.json(["status", "photos"])).toEqual([upload]);
      expect(await bed.json(["ls"])).toEqual((await get("")).uploads);
      const { files } = (await get("/photos/files")) as { files: { path: string; file_id: string }[] };
      expect(files).toHaveLength(3);
      expect(await bed.json(["files", "photos"])).toEqual(files);
      for (const { path, file_id } of files) {
        const { entries } = await get(`/photos/files/${file_id}/timeline`);
        const file = await get(`/photos/files/${file_id}`);
        expect(await bed.json(["files", "photos", path])).toEqual([{ ...file, timeline: entries }]);
      }
    } finally {
      await server.close();
    }
  });

  test("has its failed files queued again", async () => {
    await registerAndWork();
    expect(await bed.json(["retry", "photos"])).toEqual([{ upload_id: "photos", requeued_files: 1 }]);
    expect(await bed.json(["files", "photos", "--state", "pending"])).toMatchObject([{ path: "refused.bin" }]);
  });

  test("is shown to people, harmless whatever its names are", async () => {
    await registerAndWork();
    const { stdout: ls } = await bed.run(["ls"]);
    expect(ls).toMatch(/^ID +STATE +DONE +FILES +FAILED +SIZE +FOLDER +BUCKET$/m);
    expect(ls).toMatch(/^photos +failed +\d+ % +3 +1 +.*\/photos +my-bucket$/m);
    const { stdout: files } = await bed.run(["files", "photos", "--search", "EVIL"]);
    expect(files).toContain("evil\\x1b[2J\\u{202e}\\nname.txt");
    const { stdout: one } = await bed.run(["files", "photos", HOSTILE]);
    expect(one).toMatch(/^state {5}uploaded$/m);
    expect(one).toMatch(/ discovered$/m);
    const { stdout: status } = await bed.run(["status", "photos"]);
    expect(status).toMatch(/^files +3: 2 uploaded, 0 pending, 1 failed, 0 skipped$/m);
    const { stdout: failed } = await bed.run(["files", "photos", "--state", "failed"]);
    expect(failed).toMatch(/^failed +7 B +refused\.bin +OBJECT_REJECTED: /m);
    for (const text of [ls, files, one, status, failed]) expect(text).not.toMatch(/[^\P{Cc}\n]|\p{Cf}/u);
    const { stdout: json } = await bed.run(["files", "photos", "--json"]);
    expect(json).toMatch(/^[\x20-\x7e\n]*$/);
  });
});

test("status sums all uploads up", async () => {
  await bed.write("photos/a.jpg", "a jpeg");
  for (const id of ["one", "two"]) await bed.json(["register", "photos", "s3://my-bucket", "--id", id]);
  await bed.json(["pause", "two"]);
  expect(await bed.json(["status"])).toEqual([
    {
      ledger: `sqlite:${ledger()}`,
      uploads: 2,
      uploads_by_state: { PENDING: 1, PAUSED: 1 },
      total_files: 0,
      completed_files: 0,
      failed_files: 0,
      skipped_files: 0,
      pending_files: 0,
      total_bytes: 0,
      completed_bytes: 0,
    },
  ]);
  expect((await bed.run(["status"])).stdout).toMatch(/^uploads {5}2: 1 pending, 1 paused$/m);
});

test("lists go on over pages", async () => {
  await bed.write("photos/a.jpg", "a jpeg");
  const working = await startService({ start: false });
  const ids = Array.from({ length: 205 }, (_, index) => `upload-${String(index).padStart(3, "0")}`);
  for (const id of ids)
    await working.register({ id, sourceFolder: join(bed.folder, "photos"), bucket: "my-bucket", mode: "once" });
  expect((await bed.json(["ls"])).map(({ upload_id }) => upload_id)).toEqual(ids);
  expect(await bed.json(["ls", "--limit", "201"])).toHaveLength(201);
  expect(await bed.json(["ls", "--limit", "3"])).toHaveLength(3);
});

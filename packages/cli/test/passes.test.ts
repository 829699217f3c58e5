import { rm } from "node:fs/promises";
import { join } from "node:path";
import { DeleteObjectCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Bed, linesOf } from "./support/program.ts";
import { stored } from "./support/traffic.ts";

let bed: Bed;
const AT_ONCE = ["--stability-threshold", "0"];

beforeEach(async () => {
  bed = await Bed.open();
  await bed.write("photos/one.txt", "one");
  await bed.write("notes/two.txt", "two");
});

afterEach(async () => await bed.close());

const register = async (folder: string, ...more: string[]) =>
  await bed.run(["register", folder, `s3://my-bucket/${folder}`, "--id", folder, ...more]);

describe("scan", () => {
  test("scans every active upload once, sends what is new, and ends", async () => {
    await register("photos");
    await register("notes", "--mode", "once");
    const { code, stdout } = await bed.run(["scan", ...AT_ONCE]);
    expect(code).toBe(0);
    expect(stdout).toContain("photos\nDone. 1 file uploaded");
    expect(stdout).toContain("notes\nDone. 1 file uploaded");
    expect(stored(bed.sandbox).sort()).toEqual(["notes/two.txt", "photos/one.txt"]);
  });

  test("of one upload leaves the others alone", async () => {
    await register("photos");
    await register("notes");
    expect((await bed.run(["scan", "photos", ...AT_ONCE])).code).toBe(0);
    expect(stored(bed.sandbox)).toEqual(["photos/one.txt"]);
    expect(await bed.json(["status", "notes"])).toMatchObject([{ state: "PENDING" }]);
  });

  test("leaves out what is paused, cancelled, over or of another host", async () => {
    await register("photos");
    await bed.run(["pause", "photos"]);
    await register("notes", "--bound-to", "another-host");
    const { code, stdout } = await bed.run(["scan", ...AT_ONCE]);
    expect({ code, stdout }).toEqual({ code: 0, stdout: expect.not.stringContaining("photos") });
    expect(stdout).toContain("bound to host another-host");
    expect(stored(bed.sandbox)).toEqual([]);
    expect((await bed.run(["scan", "photos"])).code).toBe(2);
    expect((await bed.run(["scan", "notes"])).code).toBe(2);
    expect((await bed.run(["scan", "nobody"])).code).toBe(2);
  });

  test("--quiet prints only what needs somebody to look", async () => {
    await register("photos");
    await register("notes");
    expect(await bed.run(["scan", "--quiet", ...AT_ONCE])).toEqual({ code: 0, stdout: "", stderr: "" });
    await rm(join(bed.folder, "photos"), { recursive: true });
    const { code, stdout, stderr } = await bed.run(["scan", "--quiet", ...AT_ONCE]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toContain("photos");
    expect(stderr).toContain("SOURCE_NOT_FOUND");
    expect(stderr).not.toContain("notes");
  });

  test("--json has a summary for each upload", async () => {
    await register("photos");
    await register("notes");
    const lines = await bed.json(["scan", ...AT_ONCE]);
    const summaries = lines.filter(({ event }) => event === "summary");
    expect(summaries.map(({ upload_id, uploaded_files }) => [upload_id, uploaded_files])).toEqual([
      ["photos", 1],
      ["notes", 1],
    ]);
  });

  test("without a ledger says so: exit code 3", async () => {
    expect(await bed.run(["scan"])).toMatchObject({ code: 3, stderr: expect.stringContaining("There is no ledger") });
  });
});

describe("plan", () => {
  test("of an upload, and of a folder as sync would do it", async () => {
    await register("photos");
    const upload = await bed.run(["plan", "photos"]);
    expect(upload.code).toBe(0);
    expect(upload.stdout).toMatch(/upload +3 B {2}one\.txt/);
    const folder = await bed.json(["plan", "notes", "s3://my-bucket/x", "--key-template", "{name}.old{ext}"]);
    expect(folder).toMatchObject([
      { action: "upload", path: "two.txt", key: "x/two.old.txt" },
      { event: "summary", actions: { upload: { files: 1, bytes: 3 } } },
    ]);
    expect(stored(bed.sandbox)).toEqual([]);
  });

  test("refuses options beside an upload, which has its own", async () => {
    await register("photos");
    expect((await bed.run(["plan", "photos", "--exclude", "x"])).code).toBe(2);
  });
});

describe("verify", () => {
  let client: S3Client;

  beforeEach(async () => {
    client = new S3Client(bed.sandbox.clientConfig);
    await bed.write("photos/three.txt", "three");
    await register("photos");
    await bed.run(["scan", ...AT_ONCE]);
  });

  afterEach(() => client.destroy());

  test("everything is there: exit code 0", async () => {
    const { code, stdout } = await bed.run(["verify", "photos"]);
    expect({ code, stdout }).toEqual({ code: 0, stdout: "2 objects looked for: every one is there as it was sent.\n" });
  });

  test("names what is missing, different and extra, and with --repair sends it again", async () => {
    await client.send(new DeleteObjectCommand({ Bucket: "my-bucket", Key: "photos/one.txt" }));
    await client.send(new PutObjectCommand({ Bucket: "my-bucket", Key: "photos/three.txt", Body: "other!" }));
    const looked = await bed.run(["verify", "photos"]);
    expect(looked.code).toBe(1);
    expect(looked.stdout).toContain("missing    photos/one.txt  (sent 3 B, of one.txt)");
    expect(looked.stdout).toContain("different  photos/three.txt  (sent 5 B, found 6 B, of three.txt)");
    expect(looked.stdout).toContain("1 missing, 1 different");
    const asJson = await bed.run(["verify", "photos", "--json"]);
    expect(linesOf(asJson.stdout).at(-1)).toMatchObject({
      event: "summary",
      checked_files: 2,
      missing: 1,
      different: 1,
    });
    const repaired = await bed.run(["verify", "photos", "--repair"]);
    expect(repaired.code).toBe(0);
    expect(repaired.stdout).toContain("2 files queued to be sent again.");
    expect(repaired.stdout).toContain("Done. 2 files uploaded");
    expect((await bed.run(["verify", "photos", "--deep"])).code).toBe(0);
  });
});

import { join } from "node:path";
import { defineStep, systemClock, UploadService } from "@bucketline/core";
import { MemoryStateStore } from "@bucketline/core/testing";
import { afterEach, describe, expect, test } from "vitest";
import { camel, snake } from "../src/names.ts";
import { CreateUpload, SettingsView } from "../src/schemas/upload.ts";
import { type Answer, Bed, BUCKET } from "./support/bed.ts";

let bed: Bed;
afterEach(() => bed.close());

const problem = (status: number, code: string) => ({ status, body: { status, code } });

describe("creating", () => {
  test("registers an upload, says where it is, and its files arrive in the bucket", async () => {
    bed = await Bed.open();
    await bed.write("photos/a.txt", "hello");
    const created = await bed.create("photos", { upload_id: "first" });
    expect(created).toMatchObject({ status: 201, body: { upload_id: "first", status: "created" } });
    expect(created.headers.get("etag")).toMatch(/^"[\w-]{22}"$/);
    await bed.service.finished("first");
    const shown = await bed.call(created.headers.get("location") ?? "");
    expect(shown).toMatchObject({
      status: 200,
      body: {
        upload_id: "first",
        state: "COMPLETED",
        status: "active",
        progress: 1,
        total_files: 1,
        completed_files: 1,
      },
    });
    expect(bed.objects.objects(BUCKET).map(({ key }) => key)).toEqual(["first/a.txt"]);
  });

  test("takes every setting by its name, and shows it again", async () => {
    const gzip = defineStep({ name: "gzip", keySuffix: ".gz", transform: () => ({ stream: (input) => input }) });
    bed = await Bed.open({ service: { pipelines: { packed: [gzip] } } });
    await bed.write("a/x");
    const settings = {
      pattern: ["**/*.jpg", "**/*.png"],
      exclude: ["tmp/**"],
      dot: true,
      key_template: "{id}/{yyyy}/{path}",
      mode: "watch",
      symlinks: "follow",
      overwrite: "never",
      min_size: 1,
      max_size: 1000,
      min_age: 0,
      max_age: 5_000_000,
      priority: -3,
      compare: "hash",
      on_source_delete: "delete",
      pipeline: "packed",
      after_upload: "keep",
      drop: null,
      delete_limit: { files: 5, share: 0.25 },
      root_marker: "x",
      schedule: "0 3 * * *",
      max_unstable_age: 60_000,
      active_hours: "22:00-06:00",
      bandwidth_limit: 1_000_000,
      host: "elsewhere",
      object: {
        content_type: "image/jpeg",
        cache_control: "no-cache",
        content_disposition: "inline",
        content_encoding: "identity",
        content_language: "en",
        storage_class: "STANDARD_IA",
        server_side_encryption: "aws:kms",
        kms_key_id: "key",
        acl: "private",
        tags: { camelCase: "kept", snake_case: "kept" },
        metadata: { snake_case: "kept" },
      },
    };
    const created = await bed.create("a", settings);
    expect(created.status).toBe(201);
    const shown = await bed.call(`/uploads/${created.body.upload_id}`);
    expect(shown.body.settings).toEqual({ ...settings, key_suffix: ".gz" });
    expect(shown.body).toMatchObject({ source_folder: join(bed.root, "a"), destination_bucket: BUCKET });
  });

  test("knows every setting of the core, and no other", async () => {
    bed = await Bed.open();
    const { spec } = await bed.service.register({ sourceFolder: bed.root, bucket: BUCKET });
    const names = Object.keys(spec)
      .map(snake)
      .filter((name) => name !== "source_folder" && name !== "bucket");
    expect(Object.keys(SettingsView.properties).sort()).toEqual([...names].sort());
    const taken = Object.keys(CreateUpload.properties);
    // The pipeline says the suffix; nobody else does.
    const given = names.filter((name) => name !== "key_suffix");
    expect([...taken].sort()).toEqual(["upload_id", "source_folder", "destination_bucket", ...given].sort());
    expect(Object.keys(spec).map((name) => camel(snake(name)))).toEqual(Object.keys(spec));
  });

  test("takes null for the default", async () => {
    bed = await Bed.open();
    const created = await bed.create("", { schedule: null, active_hours: null, bandwidth_limit: null });
    expect(created.status).toBe(201);
  });

  test("finds the same upload under the same id, and refuses another one", async () => {
    bed = await Bed.open();
    await bed.create("", { upload_id: "mine" });
    const again = await bed.create("", { upload_id: "mine" });
    expect(again).toMatchObject({ status: 200, body: { upload_id: "mine", status: "exists" } });
    expect(again.headers.get("location")).toBe("/api/v1/uploads/mine");
    expect(await bed.create("", { upload_id: "mine", pattern: "*.txt" })).toMatchObject(problem(409, "UPLOAD_EXISTS"));
  });

  test("of several that register one id at once, one has created it", async () => {
    bed = await Bed.open();
    const answers = await Promise.all(Array.from({ length: 8 }, () => bed.create("", { upload_id: "raced" })));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 200, 200, 200, 200, 200, 200, 201]);
  });

  test("names unknown and missing fields", async () => {
    bed = await Bed.open();
    const answer = await bed.create("", { patern: "*", object: { contentType: "x" }, min_size: "1" });
    expect(answer).toMatchObject({
      ...problem(400, "INVALID_REQUEST"),
      body: {
        errors: expect.arrayContaining([
          { field: "body.patern", message: "is not known" },
          { field: "body.object.contentType", message: "is not known" },
          { field: "body.min_size", message: "must be integer" },
        ]),
      },
    });
    expect(answer.body.detail).toContain("body.patern is not known");
    const empty = await bed.call("/uploads", { body: {} });
    expect(empty.body.detail).toBe("body.source_folder is missing; body.destination_bucket is missing.");
  });

  test("refuses what the core refuses, with its code", async () => {
    bed = await Bed.open();
    expect(await bed.create("nowhere")).toMatchObject(problem(422, "SOURCE_NOT_FOUND"));
    expect(await bed.create("", { pattern: "[" })).toMatchObject(problem(422, "INVALID_PATTERN"));
    expect(await bed.create("", { key_template: "{nope}" })).toMatchObject(problem(422, "INVALID_KEY_TEMPLATE"));
    expect(await bed.create("", { active_hours: "always" })).toMatchObject(problem(422, "INVALID_OPTION"));
    expect(await bed.create("..")).toMatchObject(problem(403, "SOURCE_NOT_ALLOWED"));
    expect(await bed.create("", { destination_bucket: "other" })).toMatchObject(problem(422, "BUCKET_NOT_FOUND"));
    expect((await bed.call("/uploads")).body.uploads).toEqual([]);
  });

  test("takes only the buckets that are named, for previews, too", async () => {
    bed = await Bed.open({ server: { buckets: ["another"] } });
    expect(await bed.create("")).toMatchObject(problem(403, "BUCKET_NOT_ALLOWED"));
    const body = { source_folder: bed.root, destination_bucket: BUCKET };
    expect(await bed.call("/uploads/plan", { body })).toMatchObject(problem(403, "BUCKET_NOT_ALLOWED"));
    expect((await bed.call("/roots")).body).toEqual({ roots: [bed.root], buckets: ["another"] });
  });

  test.each([[[]], [undefined]])("takes no folder when there are no roots: %j", async (roots) => {
    bed = await Bed.open({ service: { allowedRoots: roots } as never });
    const body = { source_folder: bed.root, destination_bucket: BUCKET };
    expect(await bed.call("/uploads", { body })).toMatchObject(problem(403, "ROOTS_REQUIRED"));
    expect(await bed.call("/uploads/plan", { body })).toMatchObject(problem(403, "ROOTS_REQUIRED"));
  });
});

describe("listing", () => {
  test("goes through all uploads page by page, in order of registration, and filters by state", async () => {
    bed = await Bed.open();
    for (const id of ["c", "a", "b", "e", "d"]) await bed.create("", { upload_id: id });
    await bed.call("/uploads/a", { method: "DELETE" });
    const seen: unknown[] = [];
    let cursor = "";
    for (;;) {
      const page = await bed.call<{ uploads: { upload_id: string }[]; next_cursor: string | null }>(
        `/uploads?limit=2${cursor}`,
      );
      seen.push(page.body.uploads.map(({ upload_id }) => upload_id));
      if (page.body.next_cursor === null) break;
      cursor = `&cursor=${page.body.next_cursor}`;
    }
    expect(seen).toEqual([["c", "a"], ["b", "e"], ["d"]]);
    const ids = async (query: string) =>
      (await bed.call<{ uploads: { upload_id: string }[] }>(`/uploads?${query}`)).body.uploads.map((u) => u.upload_id);
    expect(await ids("state=CANCELLED")).toEqual(["a"]);
    expect((await ids("state=CANCELLED,COMPLETED,IN_PROGRESS,PENDING")).length).toBe(5);
    expect((await ids("state=CANCELLED&state=PAUSED")).length).toBe(1);
  });

  test("a cursor belongs to its list and filters, and nonsense is refused", async () => {
    bed = await Bed.open();
    for (const id of ["a", "b", "c"]) await bed.create("", { upload_id: id });
    const { body } = await bed.call<{ next_cursor: string }>("/uploads?limit=1");
    const good = body.next_cursor;
    expect((await bed.call(`/uploads?cursor=${good}`)).status).toBe(200);
    const changed = `${good.slice(0, -1)}${good.endsWith("A") ? "B" : "A"}`;
    for (const query of [
      `cursor=${good}&state=PENDING`,
      `cursor=${changed}`,
      `cursor=${good}A`,
      "cursor=",
      "cursor=YQ",
      `cursor=${"A".repeat(8192)}`,
      `cursor=${"A".repeat(8193)}`,
      "cursor=%00%ff",
      `cursor=${good}&cursor=${good}`,
      "limit=0",
      "limit=1001",
      "limit=1e2",
      "limit=x",
      "state=DONE",
      "state=",
      "page=2",
    ])
      expect(await bed.call(`/uploads?${query}`), query).toMatchObject(problem(400, "INVALID_REQUEST"));
    expect(await bed.call(`/uploads/a/files?cursor=${good}`)).toMatchObject(problem(400, "INVALID_REQUEST"));
  });
});

describe("changing", () => {
  const patch = (body: unknown, headers = {}): Promise<Answer> =>
    bed.call("/uploads/u", { method: "PATCH", body, headers });

  test("adjusts what may be adjusted; null stands for the default", async () => {
    bed = await Bed.open();
    await bed.create("", { upload_id: "u", mode: "watch" });
    const changed = await patch({ priority: 7, schedule: 5000, bandwidth_limit: 1000, active_hours: "00:00-24:00" });
    expect(changed).toMatchObject({
      status: 200,
      body: { settings: { priority: 7, schedule: 5000, bandwidth_limit: 1000 } },
    });
    expect(await patch({ bandwidth_limit: null })).toMatchObject({
      body: { settings: { bandwidth_limit: null, priority: 7 } },
    });
    expect(await patch({})).toMatchObject(problem(400, "INVALID_REQUEST"));
    expect(await patch({ pattern: "*" })).toMatchObject(problem(400, "INVALID_REQUEST"));
    expect(await patch({ schedule: "now and then" })).toMatchObject(problem(422, "INVALID_OPTION"));
  });

  test("If-Match lets only those change an upload who have seen it as it is", async () => {
    bed = await Bed.open({ started: false });
    await bed.create("", { upload_id: "u" });
    const etag = (await bed.call("/uploads/u")).headers.get("etag") ?? "";
    const changed = await patch({ priority: 1 }, { "if-match": etag });
    expect(changed.status).toBe(200);
    expect(changed.headers.get("etag")).not.toBe(etag);
    const stale = await patch({ priority: 2 }, { "if-match": etag });
    expect(stale).toMatchObject(problem(412, "PRECONDITION_FAILED"));
    const current = changed.headers.get("etag") ?? "";
    expect(await patch({ priority: 2 }, { "if-match": `W/${current}` })).toMatchObject(
      problem(412, "PRECONDITION_FAILED"),
    );
    expect(await patch({ priority: 2 }, { "if-match": "7" })).toMatchObject(problem(400, "INVALID_REQUEST"));
    expect(await patch({ priority: 2 }, { "if-match": `"x", ${current}` })).toMatchObject({ status: 200 });
    expect(await patch({ priority: 3 }, { "if-match": "*" })).toMatchObject({ status: 200 });
    const gone = await bed.call("/uploads/u", { method: "DELETE", headers: { "if-match": etag } });
    expect(gone).toMatchObject(problem(412, "PRECONDITION_FAILED"));
    expect(await bed.call("/uploads/nobody", { method: "DELETE", headers: { "if-match": "*" } })).toMatchObject(
      problem(404, "UPLOAD_NOT_FOUND"),
    );
  });

  test("of several changes that name one ETag, one is made", async () => {
    bed = await Bed.open({ started: false });
    await bed.create("", { upload_id: "u" });
    const etag = (await bed.call("/uploads/u")).headers.get("etag") ?? "";
    const answers = await Promise.all([1, 2, 3, 4].map((priority) => patch({ priority }, { "if-match": etag })));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 412, 412, 412]);
  });

  test("a change that another process makes between the look and the write is not overwritten; a scan does not matter", async () => {
    bed = await Bed.open();
    await bed.create("", { upload_id: "u", mode: "watch", schedule: "manual" });
    await bed.service.check("u");
    const state = new MemoryStateStore({ clock: systemClock, state: bed.ledger });
    const other = new UploadService({ state, objects: bed.objects });
    const get = bed.service.get.bind(bed.service);
    const meanwhile = (work: () => Promise<unknown>) => {
      bed.service.get = async (id) => {
        const upload = await get(id);
        bed.service.get = get;
        await work();
        return upload;
      };
    };
    try {
      const etag = (await bed.call("/uploads/u")).headers.get("etag") ?? "";
      meanwhile(() => bed.service.check("u"));
      const changed = await patch({ priority: 1 }, { "if-match": etag });
      expect(changed).toMatchObject({ status: 200, body: { settings: { priority: 1 } } });
      meanwhile(() => other.adjust("u", { priority: 2 }));
      const late = await patch({ priority: 3 }, { "if-match": changed.headers.get("etag") ?? "" });
      expect(late).toMatchObject(problem(412, "PRECONDITION_FAILED"));
      expect(await get("u")).toMatchObject({ spec: { priority: 2 } });
    } finally {
      await other.stop();
    }
  });

  test("an ETag outlives scans, which change neither state nor settings, and holds for pause and resume, too", async () => {
    bed = await Bed.open();
    await bed.write("d/a");
    await bed.create("d", { upload_id: "u", mode: "watch", schedule: "manual" });
    await expect.poll(async () => (await bed.call("/uploads/u")).body.state).toBe("COMPLETED");
    const completed = (await bed.call("/uploads/u")).headers.get("etag") ?? "";
    await bed.call("/uploads/u/check", { body: { wait: true } });
    const pause = () => bed.call("/uploads/u/pause", { method: "POST", headers: { "if-match": completed } });
    const paused = await pause();
    expect(paused).toMatchObject({ status: 200, body: { state: "PAUSED" } });
    expect(await pause()).toMatchObject(problem(412, "PRECONDITION_FAILED"));
    const resume = (etag: string) => bed.call("/uploads/u/resume", { method: "POST", headers: { "if-match": etag } });
    expect(await resume(completed)).toMatchObject(problem(412, "PRECONDITION_FAILED"));
    expect(await resume(paused.headers.get("etag") ?? "")).toMatchObject({ status: 200 });
  });

  test("cancels once", async () => {
    bed = await Bed.open();
    await bed.create("", { upload_id: "u" });
    const cancel = () => bed.call("/uploads/u", { method: "DELETE" });
    expect(await cancel()).toMatchObject({ status: 200, body: { state: "CANCELLED", status: "cancelled" } });
    expect(await cancel()).toMatchObject(problem(409, "INVALID_TRANSITION"));
    expect(await patch({ priority: 1 })).toMatchObject(problem(409, "UPLOAD_CANCELLED"));
  });
});

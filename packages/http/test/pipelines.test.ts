import { defineStep } from "@bucketline/core";
import { afterEach, expect, test } from "vitest";
import type { FileView, TimelineEntryView } from "../src/schemas/file.ts";
import { fileIdOf } from "../src/views.ts";
import { Bed } from "./support/bed.ts";

let bed: Bed;
afterEach(() => bed?.close());

const noScripts = defineStep({
  name: "no-scripts",
  check: async ({ path }) => ({ accepted: !path.endsWith(".sh"), message: "looked at its name" }),
});
const doubled = defineStep({
  name: "doubled",
  version: 2,
  keySuffix: ".twice",
  transform: () => ({
    stream: async function* (input) {
      for await (const chunk of input) yield Buffer.concat([chunk, chunk]);
    },
  }),
});

async function upload(...paths: string[]): Promise<void> {
  bed = await Bed.open({ service: { pipelines: { intake: [noScripts, doubled] } } });
  for (const path of paths) await bed.write(`in/${path}`, "12345");
  await bed.create("in", { upload_id: "u", pipeline: "intake" });
  await bed.service.finished("u").catch(() => {});
}

const fileOf = (path: string) => `/uploads/u/files/${fileIdOf(path)}`;

test("the pipelines of a service are listed with their steps, in their order", async () => {
  await upload();
  expect((await bed.call("/pipelines")).body).toEqual({
    pipelines: [
      {
        name: "intake",
        steps: [
          { name: "no-scripts", kind: "check", version: null },
          { name: "doubled", kind: "transform", version: "2" },
        ],
        spool: true,
        key_suffix: ".twice",
      },
    ],
  });
});

test("an upload shows its pipeline, and one that is not there is refused", async () => {
  await upload("a");
  expect((await bed.call("/uploads/u")).body.settings).toMatchObject({ pipeline: "intake", key_suffix: ".twice" });
  const refused = await bed.create("in", { pipeline: "other" });
  expect([refused.status, refused.body.code]).toEqual([422, "PIPELINE_UNKNOWN"]);
  expect((await bed.create("in", { pipeline: 5 })).status).toBe(400);
});

test("a preview names the keys with the pipeline's suffix", async () => {
  await upload();
  await bed.write("in/a");
  const body = { source_folder: `${bed.root}/in`, destination_bucket: "bucket", upload_id: "p", pipeline: "intake" };
  const plan = await bed.call("/uploads/plan", { body });
  expect(plan.text).toContain('"p/a.twice"');
});

test("a file and its timeline show what each step did", async () => {
  await upload("a");
  const { body: file } = await bed.call<FileView>(fileOf("a"));
  expect(file.steps).toMatchObject([
    { step: "no-scripts", outcome: "passed", bytes_out: 0, message: "looked at its name" },
    { step: "doubled", outcome: "transformed", bytes_in: 5, bytes_out: 10, message: null },
  ]);
  for (const { started_at, ended_at, duration_ms } of file.steps)
    expect(duration_ms).toBe(Date.parse(ended_at) - Date.parse(started_at));
  const { body } = await bed.call<{ entries: TimelineEntryView[] }>(`${fileOf("a")}/timeline`);
  expect(body.entries.flatMap(({ step }) => step ?? [])).toEqual(file.steps);
});

test("a rejected file tells the step and the reason", async () => {
  await upload("bad.sh");
  const { body: file } = await bed.call<FileView>(fileOf("bad.sh"));
  expect(file).toMatchObject({ state: "FAILED", reason: { code: "FILE_REJECTED" } });
  expect(file.reason?.message).toContain("no-scripts");
  expect(file.steps).toMatchObject([{ step: "no-scripts", outcome: "rejected", message: "looked at its name" }]);
});

test("runs of steps are counted by outcome, with their bytes", async () => {
  bed = await Bed.open({ service: { pipelines: { intake: [noScripts, doubled] } } });
  await bed.call("/metrics");
  for (const path of ["a", "b", "bad.sh"]) await bed.write(`in/${path}`, "12345");
  await bed.create("in", { upload_id: "u", pipeline: "intake" });
  await bed.service.finished("u").catch(() => {});
  await expect
    .poll(async () => (await bed.call("/metrics")).text.split("\n"), { timeout: 10_000 })
    .toEqual(
      expect.arrayContaining([
        'bucketline_steps_total{step="no-scripts",outcome="passed"} 2',
        'bucketline_steps_total{step="no-scripts",outcome="rejected"} 1',
        'bucketline_steps_total{step="doubled",outcome="transformed"} 2',
        'bucketline_step_bytes_in_total{step="doubled"} 10',
        'bucketline_step_bytes_out_total{step="doubled"} 20',
        'bucketline_step_duration_seconds_count{step="no-scripts"} 3',
      ]),
    );
});

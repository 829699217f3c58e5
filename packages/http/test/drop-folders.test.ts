import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { Bed } from "./support/bed.ts";

let bed: Bed;

afterEach(async () => {
  await bed.close();
});

test("a drop folder is made on request, and its settings are shown", async () => {
  bed = await Bed.open();
  await bed.write("in/.keep");
  const created = await bed.create("in", { drop: { retention: 5 } });
  expect(created.status).toBe(201);
  const shown = await bed.call(`/uploads/${created.body.upload_id}`);
  expect(shown.body.settings).toMatchObject({ drop: { retention: 5 }, after_upload: "keep" });
  for (const name of ["incoming", "working", "done", "failed"])
    expect(existsSync(join(bed.root, "in", name))).toBe(true);
});

test("files are moved only inside the allowed roots", async () => {
  bed = await Bed.open();
  await bed.write("in/a");
  const outside = `${bed.root}-outside`;
  const refused = await bed.create("in", { after_upload: { move_to: outside } });
  expect([refused.status, refused.body.code]).toEqual([403, "SOURCE_NOT_ALLOWED"]);
  const sent = join(bed.root, "sent");
  mkdirSync(sent);
  const created = await bed.create("in", { after_upload: { move_to: sent } });
  expect(created.status).toBe(201);
  const shown = await bed.call(`/uploads/${created.body.upload_id}`);
  expect(shown.body.settings).toMatchObject({ after_upload: { move_to: sent }, drop: null });
});

test.each([
  [400, { after_upload: "move" }],
  [422, { after_upload: { move_to: "relative" } }],
  [422, { after_upload: "delete", on_source_delete: "delete" }],
  [400, { drop: { retention: -1 } }],
  [400, { drop: { keep: true } }],
])("%i for %j", async (status, settings) => {
  bed = await Bed.open();
  await bed.write("in/a");
  expect((await bed.create("in", settings)).status).toBe(status);
});

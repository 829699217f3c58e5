import { expect, test } from "vitest";
import { BUCKET, World } from "./support/bed.ts";

test("moves that hang hold up neither the other files nor other uploads", async () => {
  const world = new World();
  const stuck = Array.from({ length: 200 }, (_, n) => `stuck/${n}`);
  const fine = Array.from({ length: 8 }, (_, n) => `fine/${n}`);
  for (const path of [...stuck, ...fine]) world.write(path, path);
  for (const path of ["/sent", "/gone"]) world.volume.mkdirSync(path);
  const process = world.boot({ concurrency: 2 });
  const isStuck = (from: { readonly root: { readonly path: string } }) => from.root.path === "/data/stuck";
  const run = () => new Promise(() => {});
  process.fileSystem.inject({ method: "moveFile", times: Number.POSITIVE_INFINITY, when: isStuck, run } as never);
  await process.service.start();
  const common = { bucket: BUCKET, keyTemplate: "{id}/{path}" };
  await process.service.register({ ...common, id: "s", sourceFolder: "/data/stuck", afterUpload: { moveTo: "/sent" } });
  await process.service.register({ ...common, id: "f", sourceFolder: "/data/fine", afterUpload: { moveTo: "/gone" } });
  await world.until(() => (world.volume.readdirSync("/gone") as string[]).length === fine.length);
  await world.until(() => Object.keys(world.bucket()).length === stuck.length + fine.length);
  expect(world.volume.readdirSync("/sent")).toEqual([]);
  process.kill();
});

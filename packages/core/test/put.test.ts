import { afterEach, beforeEach, expect, test } from "vitest";
import { crc32Of, formatCrc32 } from "../src/checksum.ts";
import { ObjectStoreError, type OpenFile, type SourceRoot } from "../src/index.ts";
import { faulty } from "../src/testing/index.ts";
import { BUCKET, type Process, SOURCE, World } from "./support/bed.ts";

let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(async () => {
  await world.end();
});

/** Does something to the world right after the file's bytes were read. */
function afterReading(process: Process, happens: () => void): void {
  const read = async (proceed: () => unknown) => {
    const bytes = await proceed();
    happens();
    return bytes;
  };
  const open = async (proceed: () => unknown) => {
    const file = faulty((await proceed()) as OpenFile);
    file.inject({ method: "read", run: ({ proceed: go }) => read(go) });
    return file.port;
  };
  process.fileSystem.inject({
    method: "openRoot",
    times: Number.POSITIVE_INFINITY,
    run: async ({ proceed }) => {
      const root = faulty((await proceed()) as SourceRoot);
      root.inject({ method: "open", run: ({ proceed: go }) => open(go) });
      return root.port;
    },
  });
}

test("a small file that changes while it is read is not sent as it was", async () => {
  world.write("a", "before");
  const process = world.boot();
  let changes = 0;
  afterReading(process, () => {
    if (changes++ === 0) world.volume.writeFileSync(`${SOURCE}/a`, "after!");
  });
  await process.upload();
  expect(changes).toBeGreaterThan(0);
  expect(world.bucket()).toEqual({ "u/a": "after!" });
  expect(process.calls("putObject")).toBe(1);
  expect(process.named("file:retrying")).toMatchObject([{ reason: { code: "SOURCE_CHANGED" } }]);
});

test("the same bytes, put there by somebody else, are not taken for our lost write", async () => {
  world.write("a", "same");
  const process = world.boot();
  const theirs = async () => {
    const body = Buffer.from("same");
    const checksum = formatCrc32(crc32Of(body));
    await world.store.putObject({ bucket: BUCKET, key: "u/a", body, checksum, settings: {}, token: "theirs" });
    throw new ObjectStoreError({ kind: "transient", operation: "putObject", bucket: BUCKET, ambiguous: true }, "reset");
  };
  process.objects.inject({ method: "putObject", times: 3, run: theirs });
  await process.upload();
  expect(world.store.object(BUCKET, "u/a")?.token).not.toBe("theirs");
});

test("bytes that a dead process sent before the scan knew them are not sent again", async () => {
  world.write("a", "scanned");
  const first = world.boot({ stabilityThreshold: 0, monitorInterval: 1_000 });
  afterReading(first, () => {});
  const dies = first.objects.inject({
    method: "putObject",
    run: async ({ proceed }) => {
      await proceed();
      first.kill();
      return await new Promise<never>(() => {});
    },
  });
  // The file moves on between the scan and its turn: what is sent is not what the ledger has seen.
  first.state.inject({
    method: "claim",
    times: Number.POSITIVE_INFINITY,
    run: ({ proceed }) => {
      if (world.volume.readFileSync(`${SOURCE}/a`, "utf8") === "scanned" && world.files().length > 0)
        world.write("a", "sent");
      return proceed();
    },
  });
  await first.service.start();
  await first.service.register({ id: "u", sourceFolder: SOURCE, bucket: BUCKET });
  await world.until(() => dies.fired === 1 && "u/a" in world.bucket());
  expect(world.bucket()).toEqual({ "u/a": "sent" });
  const second = world.boot({ stabilityThreshold: 0, monitorInterval: 1_000 });
  // The scan comes first: it sees a file that is other than the ledger knows.
  second.state.inject({ method: "claim", times: Number.POSITIVE_INFINITY, delayMs: 1_500 });
  await second.service.start();
  await world.until(second.service.finished("u"));
  expect(second.named("file:changed")).toMatchObject([{ path: "a" }]);
  await second.expectFile("a", { state: "UPLOADED" });
  expect(second.calls("putObject")).toBe(1);
});

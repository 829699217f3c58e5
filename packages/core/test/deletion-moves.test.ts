import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { BUCKET } from "./support/bed.ts";
import { DeletionBed } from "./support/deletion-bed.ts";

const MINUTE = 60_000;

let bed: DeletionBed;
beforeEach(() => {
  bed = new DeletionBed();
});
afterEach(async () => {
  await bed.world.end();
});

describe("a file that moves to another upload with the same keys while its object is being deleted", () => {
  /** Begins a delete of `a`, which stays on its way, and has another upload send the same bytes under the same key. */
  async function moveMeanwhile(): Promise<{ arrive: () => void; checked: Promise<unknown> }> {
    await bed.start({ keyTemplate: "{path}" });
    let arrive = () => {};
    const onTheWay = bed.process.objects.inject({
      method: "deleteObject",
      run: ({ proceed }) => new Promise((resolve) => (arrive = () => resolve(proceed()))),
    });
    bed.world.remove("a");
    const checked = bed.process.service.check("u");
    await bed.world.until(() => onTheWay.fired > 0);
    bed.world.volume.mkdirSync("/other");
    bed.world.volume.writeFileSync("/other/a", "a");
    bed.world.volume.utimesSync("/other/a", 1, 1);
    const other = { id: "v", sourceFolder: "/other", bucket: BUCKET, keyTemplate: "{path}", mode: "once" } as const;
    await bed.process.service.register(other);
    return { arrive, checked };
  }

  test("has arrived: it is sent again", async () => {
    const { arrive, checked } = await moveMeanwhile();
    await bed.world.until(bed.process.service.finished("v"));
    arrive();
    await bed.world.until(checked);
    await bed.world.until(bed.process.service.finished("v"));
    expect(bed.world.bucket()).toEqual({ a: "a", "d/b": "d/b", keep: "keep" });
    await bed.check();
    expect(bed.record("a")).toMatchObject({ state: "REMOVED", evidence: null });
  });

  test("has arrived, and nobody lives to record it: the next scan sees what is missing", async () => {
    const { arrive } = await moveMeanwhile();
    await bed.world.until(bed.process.service.finished("v"));
    arrive();
    await bed.world.until(() => bed.world.bucket().a === undefined);
    bed.process.kill();
    await bed.world.clock.advance(2 * MINUTE);
    bed.process = bed.boot();
    await bed.process.service.start();
    await bed.check();
    await bed.world.until(bed.process.service.finished("v"));
    expect(bed.world.bucket()).toEqual({ a: "a", "d/b": "d/b", keep: "keep" });
  });

  test("is still on its way: what stands there is looked at when it has arrived", async () => {
    const { arrive, checked } = await moveMeanwhile();
    let hear: (() => void) | undefined;
    bed.process.objects.inject({
      method: "putObject",
      run: async ({ proceed }) => {
        const answer = await (proceed() as Promise<unknown>);
        await new Promise<void>((resolve) => (hear = resolve));
        return answer;
      },
    });
    await bed.world.until(() => hear !== undefined);
    arrive();
    await bed.world.until(checked);
    hear?.();
    await bed.world.until(bed.process.service.finished("v"));
    await bed.check();
    await bed.world.until(bed.process.service.finished("v"));
    expect(bed.world.bucket()).toEqual({ a: "a", "d/b": "d/b", keep: "keep" });
  });
});

import { setTimeout as sleep } from "node:timers/promises";
import { UploadError, type UploadService } from "@bucketline/core";
import type { Keys } from "@bucketline/steps";
import type { Destination } from "./destination.ts";
import { printFolders } from "./listing.ts";
import { dropFile, makeSamples, type Sample } from "./samples.ts";
import type { Print } from "./trace.ts";
import { verifyObjects } from "./verification.ts";

const BETWEEN_DROPS_MS = 700;

interface Demo {
  readonly service: UploadService;
  readonly upload: { readonly id: string; readonly folder: string };
  readonly destination: Destination;
  readonly keys: Keys;
  readonly print: Print;
  readonly signal: AbortSignal;
}

/**
 * Drops some files, waits until each has gone its way, and compares the bucket with them.
 * @returns whether all went as it should
 * @throws UploadError when the upload cannot go on · the signal's reason
 */
export async function runDemo({ service, upload, destination, keys, print, signal }: Demo): Promise<boolean> {
  const samples = makeSamples();
  const [first, second, ...later] = samples as [Sample, Sample, ...Sample[]];
  await dropFile(upload.folder, first);
  await dropFile(upload.folder, second);
  print("\nBefore:");
  await printFolders(upload.folder, print);
  print("");

  const ended = untilMoved(service, samples.length, signal);
  // Whatever goes wrong before it is waited for must not count as unhandled.
  ended.catch(() => {});
  await service.start({ signal });
  for (const sample of later) {
    await sleep(BETWEEN_DROPS_MS, undefined, { signal });
    await dropFile(upload.folder, sample);
  }
  const places = await ended;

  print("\nAfter:");
  await printFolders(upload.folder, print);
  const { same, wrong } = await verifyObjects(service, upload, destination, keys);
  const expected = samples.filter(({ ends }) => ends === "done").length;
  print(`\n${same} of ${same + wrong.length} objects in the bucket decrypt to the bytes that were dropped.`);
  if (destination.own)
    print(`They stay below ${upload.id}/; their key was made for this run, and is gone when it ends.`);
  for (const key of wrong) print(`wrong: ${key}`);
  const astray = samples.filter(({ path, ends }) => !places.get(path)?.includes(`/${ends}/`));
  for (const { path, ends } of astray) print(`wrong: ${path} should be in ${ends}/`);
  return same === expected && wrong.length === 0 && astray.length === 0;
}

/** @returns where each of the files is now, by its path */
function untilMoved(service: UploadService, files: number, signal: AbortSignal): Promise<ReadonlyMap<string, string>> {
  const places = new Map<string, string>();
  return new Promise((resolve, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    service.on("file:disposed", ({ path, to }) => {
      places.set(path, to ?? "");
      if (places.size === files) resolve(places);
    });
    service.on("upload:failed", ({ reason }) => {
      // That some of the files failed is no surprise here.
      if (reason && reason.code !== "UPLOAD_FAILED") reject(new UploadError(reason.code, reason.message));
    });
  });
}

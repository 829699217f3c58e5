import { setImmediate as immediate } from "node:timers/promises";
import type { Events } from "../../src/events.ts";
import { type FileRecord, newFile, type SourceFacts } from "../../src/file.ts";
import { newUpload, type UploadRecord, type UploadSpec } from "../../src/upload.ts";

export const SPEC: UploadSpec = {
  sourceFolder: "/data",
  bucket: "bucket",
  pattern: ["**"],
  exclude: [],
  dot: true,
  keyTemplate: "{id}/{path}",
  mode: "once",
  symlinks: "skip",
  overwrite: "always",
  minSize: null,
  maxSize: null,
  minAge: null,
  maxAge: null,
  priority: 0,
  compare: "stat",
  onSourceDelete: "keep",
  afterUpload: "keep",
  drop: null,
  deleteLimit: { files: 1_000, share: 0.5 },
  rootMarker: null,
  schedule: null,
  maxUnstableAge: null,
  activeHours: null,
  bandwidthLimit: null,
  host: null,
  pipeline: null,
  keySuffix: "",
  object: {},
};

export function facts(size: number, version = 1): SourceFacts {
  return { size, mtimeNs: BigInt(version), fingerprint: `1:${version}:${size}:${version}:${version}` };
}

export function upload(spec: Partial<UploadSpec> = {}, id = "u"): UploadRecord {
  return newUpload(id, { ...SPEC, ...spec }, 0);
}

export function file(changes: Partial<FileRecord> = {}): FileRecord {
  return { ...newFile({ uploadId: "u", path: "a.txt", key: "u/a.txt", ...facts(10) }, 1), ...changes };
}

/** Collects events by name, as `emit` is called. */
export class Heard {
  readonly events: { readonly name: keyof Events; readonly payload: object }[] = [];
  readonly emit = (name: keyof Events, payload: () => object): void => {
    this.events.push({ name, payload: payload() });
  };

  named(name: keyof Events): object[] {
    return this.events.filter((event) => event.name === name).map((event) => event.payload);
  }
}

/** Lets everything that is ready to run, run. */
export async function settle(turns = 5): Promise<void> {
  for (let turn = 0; turn < turns; turn++) await immediate();
}

/** A promise that a test settles by hand. */
export function gate(): { readonly promise: Promise<void>; readonly open: () => void } {
  let open = () => {};
  const promise = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { promise, open };
}

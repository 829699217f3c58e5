import type { Progress, UploadService } from "@bucketline/core";

/** A file on its way. */
export interface Flight {
  readonly path: string;
  readonly size: number;
  /** Bytes of it that have arrived. */
  readonly bytes: number;
}

/** Where the uploads stand together. */
export type Standing = Pick<
  Progress,
  | "filesTotal"
  | "filesUploaded"
  | "filesFailed"
  | "filesPending"
  | "bytesTotal"
  | "bytesUploaded"
  | "fraction"
  | "rate"
  | "etaSeconds"
>;

/** What this run has done for one upload so far. */
export interface Tally {
  uploaded: number;
  /** Without what earlier runs had sent of its files. */
  sentBytes: number;
  removed: number;
  deleted: number;
}

/** What there is to see of them at one moment. */
export type Sight = Pick<Observation, "standing" | "flights" | "isScanning" | "waiting">;

/** Keeps what a service tells of its uploads; events only change memory, showing it has its own pace. */
export class Observation {
  /** Oldest first. */
  readonly flights = new Map<string, Flight>();
  readonly #tallies = new Map<string, Tally>();
  readonly #scanning = new Set<string>();
  readonly #progress = new Map<string, Progress>();
  /** Why nothing is sent although there is something to send. */
  waiting = "";

  constructor(service: UploadService) {
    service.on("upload:progress", (progress) => this.put(progress));
    service.on("upload:scanning", ({ uploadId }) => this.#scanning.add(uploadId));
    service.on("upload:scanned", ({ uploadId }) => this.#scanning.delete(uploadId));
    service.on("upload:failed", ({ uploadId }) => this.#scanning.delete(uploadId));
    service.on("upload:waiting", ({ until }) => {
      this.waiting = until === null ? "outside its hours" : `waits until ${timeOfDay(until)}`;
    });
    service.on("file:started", ({ uploadId, path, size }) => this.#fly(uploadId, { path, size, bytes: 0 }));
    service.on("file:progress", ({ uploadId, path, size, bytes, sentBytes }) => {
      this.#fly(uploadId, { path, size, bytes });
      this.tallyOf(uploadId).sentBytes += sentBytes;
    });
    const land = ({ uploadId, path }: { readonly uploadId: string; readonly path: string }) =>
      void this.flights.delete(`${uploadId}\0${path}`);
    for (const name of ["file:retrying", "file:skipped", "file:changed", "file:queued"] as const)
      service.on(name, land);
    service.on("file:uploaded", (event) => {
      land(event);
      this.tallyOf(event.uploadId).uploaded++;
    });
    service.on("file:failed", land);
    service.on("file:removed", (event) => {
      land(event);
      this.tallyOf(event.uploadId).removed++;
    });
    service.on("file:deleted", ({ uploadId }) => void this.tallyOf(uploadId).deleted++);
  }

  tallyOf(uploadId: string): Tally {
    const tally = this.#tallies.get(uploadId) ?? { uploaded: 0, sentBytes: 0, removed: 0, deleted: 0 };
    this.#tallies.set(uploadId, tally);
    return tally;
  }

  get isScanning(): boolean {
    return this.#scanning.size > 0;
  }

  put(progress: Progress): void {
    this.#progress.set(progress.uploadId, progress);
  }

  /** Undefined before anything is known. */
  get standing(): Standing | undefined {
    const all = [...this.#progress.values()];
    const [first] = all;
    if (!first) return undefined;
    return all.length === 1 ? first : together(all);
  }

  #fly(uploadId: string, flight: Flight): void {
    this.waiting = "";
    this.flights.set(`${uploadId}\0${flight.path}`, flight);
  }
}

function together(all: readonly Progress[]): Standing {
  const sum = (
    name: "filesTotal" | "filesUploaded" | "filesFailed" | "filesPending" | "bytesTotal" | "bytesUploaded" | "rate",
  ) => all.reduce((total, progress) => total + progress[name], 0);
  const bytesTotal = sum("bytesTotal");
  const bytesUploaded = sum("bytesUploaded");
  const filesTotal = sum("filesTotal");
  const filesUploaded = sum("filesUploaded");
  const rate = sum("rate");
  const share = bytesTotal === 0 ? filesUploaded / Math.max(1, filesTotal) : bytesUploaded / bytesTotal;
  const etas = all.map(({ etaSeconds }) => etaSeconds).filter((eta) => eta !== null);
  return {
    filesTotal,
    filesUploaded,
    filesFailed: sum("filesFailed"),
    filesPending: sum("filesPending"),
    bytesTotal,
    bytesUploaded,
    fraction: filesTotal > 0 && filesUploaded === filesTotal ? 1 : Math.min(share, 0.999),
    rate,
    etaSeconds: rate > 0 ? Math.ceil((bytesTotal - bytesUploaded) / rate) : Math.max(0, ...etas) || null,
  };
}

function timeOfDay(ms: number): string {
  const date = new Date(ms);
  return `${String(date.getHours()).padStart(2, "0")}:${String(date.getMinutes()).padStart(2, "0")}`;
}

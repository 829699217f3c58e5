import {
  type Notice,
  type NoticeState,
  UPLOAD_STATES,
  type Upload,
  type UploadService,
  type UploadState,
} from "@bucketline/core";

export type FileFigure = "uploaded" | "failed" | "skipped" | "pending";
export const FILE_FIGURES: readonly FileFigure[] = ["uploaded", "failed", "skipped", "pending"];

export const WATCH_STATES: readonly Upload["watch"]["state"][] = ["polling", "starting", "live", "degraded"];

/** Figures of one upload that is not over. */
export interface UploadFigures {
  readonly id: string;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  readonly files: Readonly<Record<FileFigure, number>>;
  readonly bytes: number;
  readonly uploadedBytes: number;
  /** When its folder was last scanned, or it was registered, in milliseconds since 1970; null when no scan is to be expected. */
  readonly scannedAt: number | null;
  /** How often it says it is to be scanned, in milliseconds; null when that is the service's own interval. */
  readonly scanEveryMs: number | null;
}

/** What the ledger holds, in figures. */
export interface LedgerFigures {
  readonly uploads: Readonly<Record<UploadState, number>>;
  readonly files: Readonly<Record<FileFigure, number>>;
  readonly bytes: number;
  readonly uploadedBytes: number;
  /** Files that wait or are in flight, of uploads that are neither paused nor over. */
  readonly queued: number;
  readonly watches: Readonly<Record<string, number>>;
  /** Of the watched uploads that are scanned at intervals, when the one that has waited longest was last scanned. */
  readonly oldestScanAt: number | null;
  /** The first uploads that are not over, in order of registration. */
  readonly each: readonly UploadFigures[];
  /** How many more there are. */
  readonly unnamed: number;
  /** Whether there are more uploads than were read. */
  readonly cut: boolean;
  /** By state and subscriber. */
  readonly notices: readonly { readonly state: NoticeState; readonly subscriber: string; readonly count: number }[];
}

export interface FiguresOptions {
  readonly service: Pick<UploadService, "list" | "outbox">;
  /** How many uploads get figures of their own. */
  readonly named: number;
  /** The names of subscribers; others are counted as one. */
  readonly subscribers: readonly string[];
}

const PAGE = 200;
/** Uploads, however many files they have: a counter of each is read. */
const UPLOADS_AT_MOST = 10_000;
/** Per state. */
const NOTICES_AT_MOST = 1_000;
/** Those that can still change come first. */
const ORDER: readonly (readonly UploadState[])[] = [
  ["PENDING", "IN_PROGRESS", "PAUSED"],
  ["FAILED", "COMPLETED"],
  ["CANCELLED"],
];

/** Reads the ledger's figures; what it costs grows with the uploads, up to a bound, and not with the files. */
export async function readFigures(options: FiguresOptions): Promise<LedgerFigures> {
  const sums = new Sums(options.named);
  let left = UPLOADS_AT_MOST;
  for (const states of ORDER) {
    for await (const upload of uploadsIn(options.service, states)) {
      if (left-- === 0) return sums.figures(true, await countNotices(options));
      sums.add(upload);
    }
  }
  return sums.figures(false, await countNotices(options));
}

async function* uploadsIn(service: FiguresOptions["service"], states: readonly UploadState[]): AsyncGenerator<Upload> {
  let after: string | undefined;
  for (;;) {
    const page = await service.list({ limit: PAGE, states, ...(after !== undefined && { after }) });
    yield* page;
    after = page.at(-1)?.id;
    if (page.length < PAGE) return;
  }
}

async function countNotices({ service, subscribers }: FiguresOptions): Promise<LedgerFigures["notices"]> {
  const names = [...subscribers, OTHER];
  const states: readonly NoticeState[] = ["DUE", "DEAD"];
  const counted = states.map(async (state) => {
    const notices: readonly Notice[] = await service.outbox.list({ states: [state], limit: NOTICES_AT_MOST });
    const nameOf = ({ subscriber }: Notice) => (subscribers.includes(subscriber) ? subscriber : OTHER);
    return names.map((subscriber) => ({
      state,
      subscriber,
      count: notices.filter((notice) => nameOf(notice) === subscriber).length,
    }));
  });
  return (await Promise.all(counted)).flat();
}

const OTHER = "other";

class Sums {
  readonly #named: number;
  readonly #uploads = Object.fromEntries(UPLOAD_STATES.map((state) => [state, 0])) as Record<UploadState, number>;
  readonly #watches: Record<string, number> = Object.fromEntries(WATCH_STATES.map((state) => [state, 0]));
  readonly #files: Record<FileFigure, number> = { uploaded: 0, failed: 0, skipped: 0, pending: 0 };
  readonly #each: UploadFigures[] = [];
  #bytes = 0;
  #uploadedBytes = 0;
  #queued = 0;
  #oldestScanAt: number | null = null;

  constructor(named: number) {
    this.#named = named;
  }

  add(upload: Upload): void {
    const { state, progress, watch, spec } = upload;
    const own = figuresOf(upload);
    this.#uploads[state] += 1;
    for (const figure of FILE_FIGURES) this.#files[figure] += own.files[figure];
    this.#bytes += own.bytes;
    this.#uploadedBytes += own.uploadedBytes;
    if (state === "PENDING" || state === "IN_PROGRESS") this.#queued += progress.filesPending;
    if (isOver(upload)) return;
    if (spec.mode === "watch") this.#watches[watch.state] = (this.#watches[watch.state] ?? 0) + 1;
    const { scannedAt } = own;
    if (scannedAt !== null) this.#oldestScanAt = Math.min(this.#oldestScanAt ?? scannedAt, scannedAt);
    this.#each.push(own);
  }

  figures(cut: boolean, notices: LedgerFigures["notices"]): LedgerFigures {
    // The same ones each time, whatever state they are in, so that no series comes and goes.
    const inOrder = this.#each.sort((a, b) => a.createdAt - b.createdAt || (a.id < b.id ? -1 : 1));
    return {
      uploads: this.#uploads,
      files: this.#files,
      bytes: this.#bytes,
      uploadedBytes: this.#uploadedBytes,
      queued: this.#queued,
      watches: this.#watches,
      oldestScanAt: this.#oldestScanAt,
      each: inOrder.slice(0, this.#named),
      unnamed: Math.max(0, inOrder.length - this.#named),
      cut,
      notices,
    };
  }
}

function figuresOf(upload: Upload): UploadFigures {
  const { id, progress, spec, lastScan, createdAt } = upload;
  const isScanned = spec.mode === "watch" && !isOver(upload) && upload.state !== "PAUSED";
  const isPeriodic = isScanned && typeof spec.schedule !== "string";
  return {
    id,
    createdAt,
    files: {
      uploaded: progress.filesUploaded,
      failed: progress.filesFailed,
      skipped: progress.filesSkipped,
      pending: progress.filesPending,
    },
    bytes: progress.bytesTotal,
    uploadedBytes: progress.bytesUploaded,
    scannedAt: isPeriodic ? (lastScan?.finishedAt ?? createdAt) : null,
    scanEveryMs: isPeriodic && typeof spec.schedule === "number" ? spec.schedule : null,
  };
}

function isOver({ state, spec }: Upload): boolean {
  return state === "CANCELLED" || (spec.mode === "once" && (state === "COMPLETED" || state === "FAILED"));
}

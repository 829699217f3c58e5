import { systemClock } from "./clock.ts";
import type { FileRecord } from "./file.ts";
import { LedgerEncoder } from "./ledger-lines.ts";
import type { Clock } from "./ports/clock.ts";
import type { StateStore } from "./ports/state-store.ts";

/** What an export reads. */
export type ExportSource = Pick<StateStore, "listUploads" | "listFiles" | "getFile" | "listParts" | "listNotices">;

/** Settings of `exportLedger`. */
export interface ExportOptions {
  /** Tells the time of the export. Default: the system's clock. */
  readonly clock?: Pick<Clock, "now">;
}

const UPLOADS_AT_ONCE = 100;
const FILES_AT_ONCE = 500;
const NOTICES_AT_ONCE = 500;

/**
 * The whole ledger as lines of JSON, each with its line end, for `importLedger` (format: docs/moving-a-ledger.md). Reads
 * page by page, so memory stays the same however many files there are. While services work on the ledger, each file is
 * exact by itself; the whole is not of one instant.
 * @param state open
 * @throws StateStoreError
 */
export async function* exportLedger(state: ExportSource, options: ExportOptions = {}): AsyncGenerator<string, void> {
  const { clock = systemClock } = options;
  const encoder = new LedgerEncoder();
  const ids = new Set<string>();
  yield encoder.header(clock.now());
  for (let last: string | undefined; ; ) {
    const uploads = await state.listUploads({ after: last, limit: UPLOADS_AT_ONCE });
    for (const upload of uploads) {
      ids.add(upload.id);
      yield encoder.upload(upload);
      yield* exportFiles(state, encoder, upload.id);
    }
    last = uploads.at(-1)?.id;
    if (uploads.length < UPLOADS_AT_ONCE) break;
  }
  yield* exportNotices(state, encoder, ids);
  yield encoder.trailer();
}

async function* exportFiles(state: ExportSource, encoder: LedgerEncoder, uploadId: string): AsyncGenerator<string> {
  for (let after: string | undefined; ; ) {
    const files = await state.listFiles(uploadId, { after, limit: FILES_AT_ONCE });
    for (const file of files) yield file.transfer ? await withParts(state, encoder, file) : encoder.file(file, []);
    after = files.at(-1)?.path;
    if (files.length < FILES_AT_ONCE) return;
  }
}

/** Reads the file again behind its parts: with the same transfer before and after, they are that transfer's parts. */
async function withParts(state: ExportSource, encoder: LedgerEncoder, read: FileRecord): Promise<string> {
  for (let file = read; ; ) {
    if (file.transfer === null) return encoder.file(file, []);
    const parts = await state.listParts(file.uploadId, file.path);
    const now = (await state.getFile(file.uploadId, file.path)) ?? file;
    if (now.transfer?.token === file.transfer.token) return encoder.file(now, parts);
    file = now;
  }
}

/**
 * Last: what is recorded while the files are read is among them, and one whose file was read before its change tells of what
 * did happen. Those of uploads that were registered since are left out with them.
 */
async function* exportNotices(
  state: ExportSource,
  encoder: LedgerEncoder,
  uploads: ReadonlySet<string>,
): AsyncGenerator<string> {
  for (let after: string | undefined; ; ) {
    const notices = await state.listNotices({ after, limit: NOTICES_AT_ONCE });
    for (const notice of notices) if (uploads.has(notice.payload.uploadId)) yield encoder.notice(notice);
    after = notices.at(-1)?.id;
    if (notices.length < NOTICES_AT_ONCE) return;
  }
}

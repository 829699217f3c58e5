import {
  type ChangeOutcome,
  type ClaimRequest,
  type Counters,
  type DueNotices,
  type FileChange,
  type FilePage,
  type FileRecord,
  type FinishedPart,
  isCurrent,
  type Notice,
  type NoticePage,
  type RescueRequest,
  type StateStore,
  StateStoreError,
  type UploadPage,
  type UploadRecord,
} from "@bucketline/core";
import { readFile, writeFile } from "./files.ts";
import type { Entry, KeyValue } from "./key-value.ts";
import * as keys from "./keys.ts";
import { readNotice, recordNotices, writeNotice } from "./notices.ts";
import { AGAIN, type Draft, transaction } from "./transaction.ts";
import {
  decodeCounters,
  decodeFile,
  decodeNotice,
  decodePart,
  decodeUpload,
  encodeUpload,
  type StoredUpload,
} from "./values.ts";

const VERSION = "1";
const PAGE = 1_000;

/** A ledger in a key-value database. Any number of stores, on any number of hosts, may share one. */
export class KeyValueStateStore implements StateStore {
  readonly #database: KeyValue;
  #isOpen = false;

  constructor(database: KeyValue) {
    this.#database = database;
  }

  /** @throws StateStoreError `STATE_NEWER` · `STATE_CORRUPT` */
  async open(): Promise<void> {
    if (this.#isOpen) return;
    const format = await transaction(this.#database, async (draft) => {
      const found = await draft.get(keys.FORMAT);
      if (found === undefined) draft.put(keys.FORMAT, VERSION);
      return found ?? VERSION;
    });
    if (Number(format) > Number(VERSION)) {
      throw new StateStoreError("STATE_NEWER", `The ledger has format ${format}, this store knows ${VERSION}.`);
    }
    if (format !== VERSION) throw new StateStoreError("STATE_CORRUPT", `The ledger has no known format: ${format}.`);
    this.#isOpen = true;
  }

  async close(): Promise<void> {
    this.#isOpen = false;
  }

  insertUpload(upload: UploadRecord): Promise<boolean> {
    return this.#transaction(async (draft) => {
      if ((await draft.get(keys.uploadKey(upload.id))) !== undefined) return false;
      const serial = Number((await draft.get(keys.LAST_UPLOAD)) ?? 0) + 1;
      draft.put(keys.LAST_UPLOAD, String(serial));
      draft.put(keys.orderKey(serial), upload.id);
      draft.put(keys.uploadKey(upload.id), encodeUpload({ serial, upload }));
      return true;
    });
  }

  async getUpload(id: string): Promise<UploadRecord | undefined> {
    return (await this.#upload(id))?.upload;
  }

  async listUploads(page: UploadPage): Promise<UploadRecord[]> {
    const last = page.after === undefined ? undefined : await this.#upload(page.after);
    if (page.after !== undefined && last === undefined) return [];
    const found: UploadRecord[] = [];
    for await (const { value: id } of this.#scan(keys.UPLOADS_IN_ORDER, last && keys.orderKey(last.serial))) {
      if (found.length >= page.limit) break;
      const upload = await this.getUpload(id);
      if (!upload || (page.states && !page.states.includes(upload.state))) continue;
      if (!page.cleanupDue || upload.cleanupDue) found.push(upload);
    }
    return found;
  }

  updateUpload(before: UploadRecord, after: UploadRecord, notices?: readonly Notice[]): Promise<boolean> {
    return this.#transaction(async (draft) => {
      const value = await draft.get(keys.uploadKey(before.id));
      const stored = value === undefined ? undefined : decodeUpload(value);
      if (stored?.upload.revision !== before.revision) return false;
      draft.put(keys.uploadKey(before.id), encodeUpload({ ...stored, upload: after }));
      await recordNotices(draft, notices);
      return true;
    });
  }

  async getFile(uploadId: string, path: string): Promise<FileRecord | undefined> {
    const entry = await this.#opened().get(keys.fileKey(uploadId, path));
    return entry && decodeFile(entry.value);
  }

  async listFiles(uploadId: string, page: FilePage): Promise<FileRecord[]> {
    const found: FileRecord[] = [];
    const after = page.after === undefined ? undefined : keys.fileKey(uploadId, page.after);
    for await (const { value } of this.#scan(keys.filesOf(uploadId), after)) {
      if (found.length >= page.limit) break;
      const file = decodeFile(value);
      if (page.states && !page.states.includes(file.state)) continue;
      if (page.withTransfer && file.transfer === null) continue;
      if (page.dueBy === undefined || file.nextAttemptAt <= page.dueBy) found.push(file);
    }
    return found;
  }

  async findFileByKey(uploadId: string, key: string): Promise<FileRecord | undefined> {
    const prefix = keys.filesWithKey(uploadId, key);
    for await (const entry of this.#scan(prefix)) {
      const file = await this.getFile(uploadId, entry.key.slice(prefix.length));
      // Another key by now: it was written between the two looks.
      if (file?.key === key) return file;
    }
    return undefined;
  }

  async listParts(uploadId: string, path: string): Promise<FinishedPart[]> {
    const parts: FinishedPart[] = [];
    for await (const { value } of this.#scan(keys.partsOf(uploadId, path))) parts.push(decodePart(value));
    return parts;
  }

  async counters(uploadId: string): Promise<Counters> {
    return decodeCounters((await this.#opened().get(keys.countersKey(uploadId)))?.value);
  }

  /** @throws StateStoreError `UPLOAD_NOT_FOUND` for a file of an upload that was never inserted; then nothing is written */
  commit(changes: readonly FileChange[]): Promise<ChangeOutcome[]> {
    return this.#transaction(async (draft) => {
      const outcomes: ChangeOutcome[] = [];
      for (const { before, after, parts, notices } of changes) {
        await requireUpload(draft, after.uploadId);
        const stored = await readFile(draft, after.uploadId, after.path);
        const applies = isCurrent(before, stored);
        if (applies) {
          await writeFile(draft, stored, after, parts);
          await recordNotices(draft, notices);
        }
        outcomes.push(applies ? "applied" : "conflict");
      }
      return outcomes;
    });
  }

  claim(request: ClaimRequest): Promise<FileRecord[]> {
    const { uploadId, uploadState, limit, take } = request;
    return this.#transaction(async (draft) => {
      const value = await draft.get(keys.uploadKey(uploadId));
      if (value === undefined || decodeUpload(value).upload.state !== uploadState) return [];
      const claimed: FileRecord[] = [];
      for (const { at, path } of await this.#due(request)) {
        if (claimed.length >= limit) break;
        const file = await readFile(draft, uploadId, path);
        if (file?.state !== "PENDING" || file.nextAttemptAt !== at) return AGAIN;
        const taken = take(file);
        await writeFile(draft, file, taken);
        claimed.push(taken);
      }
      return claimed;
    });
  }

  async nextDue(uploadId: string): Promise<number | undefined> {
    const [entry] = await this.#opened().scan(keys.dueOf(uploadId), { limit: 1 });
    return entry && keys.readDueKey(uploadId, entry.key).at;
  }

  async heartbeat(owner: string, leaseMs: number): Promise<void> {
    await this.#opened().set(keys.ownerKey(owner), "", leaseMs);
  }

  async isAlive(owner: string): Promise<boolean> {
    return (await this.#opened().get(keys.ownerKey(owner))) !== undefined;
  }

  async retire(owner: string): Promise<void> {
    await this.#opened().delete(keys.ownerKey(owner));
  }

  rescue({ limit, release }: RescueRequest): Promise<FileRecord[]> {
    return this.#transaction(async (draft) => {
      const rescued: FileRecord[] = [];
      for await (const { key } of this.#scan(keys.HELD)) {
        if (rescued.length >= limit) break;
        const [uploadId = "", ...path] = key.slice(keys.HELD.length).split("/");
        const file = await readFile(draft, uploadId, path.join("/"));
        if (file?.state !== "IN_PROGRESS") return AGAIN;
        // Read in the draft: a heartbeat that comes before the write begins it all anew.
        if (file.owner !== null && (await draft.get(keys.ownerKey(file.owner))) !== undefined) continue;
        const released = release(file);
        await writeFile(draft, file, released);
        rescued.push(released);
      }
      return rescued;
    });
  }

  async getNotice(id: string): Promise<Notice | undefined> {
    const entry = await this.#opened().get(keys.noticeKey(id));
    return entry && decodeNotice(entry.value);
  }

  async listNotices({ after, limit, subscriber, states }: NoticePage): Promise<Notice[]> {
    const found: Notice[] = [];
    for await (const { value } of this.#scan(keys.NOTICES, after === undefined ? undefined : keys.noticeKey(after))) {
      if (found.length >= limit) break;
      const notice = decodeNotice(value);
      if (subscriber !== undefined && notice.subscriber !== subscriber) continue;
      if (states === undefined || states.includes(notice.state)) found.push(notice);
    }
    return found;
  }

  async dueNotices({ subscriber, dueBy, horizon, limit }: DueNotices): Promise<Notice[]> {
    const found: Notice[] = [];
    const collect = async (latest: number, after?: string) => {
      for await (const { key } of this.#scan(keys.dueNoticesOf(subscriber), after)) {
        const { at, id } = keys.readDueNoticeKey(subscriber, key);
        if (found.length >= limit || at > latest) return;
        const notice = await this.getNotice(id);
        // Another time by now, or gone: it was written between the two looks.
        if (notice?.state === "DUE" && notice.nextAttemptAt === at) found.push(notice);
      }
    };
    await collect(dueBy);
    await collect(Number.POSITIVE_INFINITY, keys.behindDueNotices(subscriber, Math.max(dueBy, horizon)));
    return found;
  }

  async nextNotice(subscriber: string): Promise<number | undefined> {
    const [entry] = await this.#opened().scan(keys.dueNoticesOf(subscriber), { limit: 1 });
    return entry && keys.readDueNoticeKey(subscriber, entry.key).at;
  }

  updateNotice(before: Notice, after: Notice | null): Promise<boolean> {
    return this.#transaction(async (draft) => {
      const stored = await readNotice(draft, before.id);
      if (stored?.revision !== before.revision) return false;
      writeNotice(draft, stored, after);
      return true;
    });
  }

  async #upload(id: string): Promise<StoredUpload | undefined> {
    const entry = await this.#opened().get(keys.uploadKey(id));
    return entry && decodeUpload(entry.value);
  }

  /** What a claim may take, in its order: due by now, then beyond the horizon. */
  async #due({ uploadId, limit, now, horizon }: ClaimRequest) {
    const scan = async (after?: string) => {
      const entries = await this.#opened().scan(keys.dueOf(uploadId), { after, limit });
      return entries.map(({ key }) => keys.readDueKey(uploadId, key));
    };
    const due = (await scan()).filter(({ at }) => at <= now);
    return due.length >= limit ? due : [...due, ...(await scan(keys.behindDue(uploadId, Math.max(now, horizon))))];
  }

  async *#scan(prefix: string, after?: string): AsyncGenerator<Entry> {
    for (let last = after; ; ) {
      const entries = await this.#opened().scan(prefix, { after: last, limit: PAGE });
      yield* entries;
      if (entries.length < PAGE) return;
      last = entries.at(-1)?.key;
    }
  }

  async #transaction<T>(work: (draft: Draft) => Promise<T | typeof AGAIN>): Promise<T> {
    return transaction(this.#opened(), work);
  }

  #opened(): KeyValue {
    if (!this.#isOpen) throw new StateStoreError("STATE_CLOSED", "The state store is not open. Open it first.");
    return this.#database;
  }
}

async function requireUpload(draft: Draft, uploadId: string): Promise<void> {
  if ((await draft.get(keys.uploadKey(uploadId))) !== undefined) return;
  throw new StateStoreError("UPLOAD_NOT_FOUND", `There is no upload ${uploadId}.`);
}

import pLimit from "p-limit";
import { type ObjectErrorKind, ObjectStoreError, type Reason, reasonOf, SourceError } from "./errors.ts";
import { type Emit, emitFile, emitWarning, fileEvent } from "./events.ts";
import { type FileRecord, reduceFile } from "./file.ts";
import { type KeyTemplate, keyTemplateOf } from "./keys.ts";
import { knownFiles } from "./known-files.ts";
import type { Ledger } from "./ledger.ts";
import { neighboursOf } from "./neighbours.ts";
import type { Clock, Random } from "./ports/clock.ts";
import type { FileFacts, SourceRoot } from "./ports/file-system.ts";
import type { ObjectStore } from "./ports/object-store.ts";
import type { StateStore } from "./ports/state-store.ts";
import { backoff } from "./retry.ts";
import { hasMarker } from "./source.ts";
import { isTokenOf } from "./transfer.ts";
import { isResting, type UploadRecord } from "./upload.ts";
import type { Uploads } from "./uploads.ts";

export interface DeletionOptions {
  readonly state: StateStore;
  readonly uploads: Uploads;
  readonly ledger: Ledger;
  /** Must not repeat a delete by itself: before each attempt everything is looked at again. */
  readonly objects: ObjectStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly emit: Emit;
  readonly owner: string;
  /** Whether the owner's lease holds: nobody else scans what it scans. */
  readonly mayDelete: () => boolean;
}

export interface DeletionOrder {
  readonly upload: UploadRecord;
  readonly root: SourceRoot;
  /** Uploads whose files may have the keys of this one's. */
  readonly neighbours: readonly string[];
}

const AT_ONCE = 8;
/** Files looked at before the next page is read. */
const BATCH = 256;
const ATTEMPTS = 3;
const PAUSE = { baseMs: 1_000, capMs: 10_000 };
/** Worth another attempt. */
const PASSING: readonly ObjectErrorKind[] = ["transient", "throttled", "conflict"];
/** Said of one object; the others may fare better. */
const OF_ONE: readonly ObjectErrorKind[] = ["conflict", "rejected"];

/**
 * What becomes of one object. `delete` it · `disown` it: it is another file's by now · `leave` it to the next scan ·
 * `stop`: no object may be deleted any more.
 */
type Judgement = "delete" | "disown" | "leave" | "stop";

/** An object. `etag` null: whatever a write of ours that was never recorded has left there. */
interface Target {
  readonly key: string;
  readonly etag: string | null;
}

/**
 * Whether there may be an object of a REMOVED file: one that was recorded, or one that an attempt has sent and not lived to
 * record.
 */
export function isUnsettled({ evidence, attempts }: FileRecord): boolean {
  return evidence !== null || attempts > 0;
}

/** One pass over the files that are gone and may have left an object. */
export class DeletionRun {
  readonly #options: DeletionOptions;
  readonly #order: DeletionOrder;
  readonly #signal: AbortSignal;
  readonly #template: KeyTemplate;
  #neighbours: readonly string[];
  #stopped = false;
  #warned = false;
  #allSettled = true;

  constructor(options: DeletionOptions, order: DeletionOrder, signal: AbortSignal) {
    this.#options = options;
    this.#order = order;
    this.#signal = signal;
    this.#neighbours = order.neighbours;
    this.#template = keyTemplateOf(order.upload);
  }

  /** @param most of the recorded objects @returns whether everything is settled, as far as is known */
  async deleteAll(most: number): Promise<boolean> {
    const { state } = this.#options;
    const batch: FileRecord[] = [];
    let taken = 0;
    for await (const file of knownFiles(state, this.#order.upload.id, ["REMOVED"])) {
      if (!isUnsettled(file)) continue;
      if (this.#stopped || (file.evidence && taken++ === most)) {
        this.#allSettled = false;
        break;
      }
      batch.push(file);
      if (batch.length === BATCH) await this.#settleBatch(batch.splice(0));
    }
    await this.#settleBatch(batch);
    return this.#allSettled;
  }

  /** Resolves, or rejects, when none of them is under way any more. */
  async #settleBatch(files: readonly FileRecord[]): Promise<void> {
    const limit = pLimit(AT_ONCE);
    const ends = await Promise.allSettled(files.map((file) => limit(() => this.#settle(file))));
    for (const end of ends) if (end.status === "rejected") throw end.reason;
  }

  async #settle(file: FileRecord): Promise<void> {
    for (let left: FileRecord | null = file; left && isUnsettled(left); ) left = await this.#settleOne(left);
  }

  /** @returns the record as it is now; null when there is nothing more to do with it */
  async #settleOne(file: FileRecord): Promise<FileRecord | null> {
    const { evidence } = file;
    const target = evidence ?? { key: this.#template.key(file.path, file.mtimeNs), etag: null };
    for (let attempt = 1; !this.#stopped; attempt++) {
      this.#signal.throwIfAborted();
      try {
        return await this.#attempt(file, target);
      } catch (error) {
        if (!(error instanceof ObjectStoreError) || !PASSING.includes(error.kind) || attempt === ATTEMPTS)
          return this.#giveUp(error);
      }
      const { clock, random } = this.#options;
      await clock.sleep(backoff(attempt, PAUSE, random), this.#signal);
    }
    return this.#leave();
  }

  async #attempt(file: FileRecord, { key, etag }: Target): Promise<FileRecord | null> {
    const judgement = await this.#judge(file, key);
    if (judgement === "leave" || judgement === "stop") return this.#leave(judgement === "stop");
    // An earlier delete of ours may have met the other's object on its way.
    if (judgement === "disown") await this.#makeGood(file, key);
    const ifMatch = judgement === "delete" ? (etag ?? (await this.#unrecorded(file, key))) : undefined;
    if (ifMatch === undefined) return await this.#record(file, "disowned");
    // The lease is asked last: from here to the request there is nothing to wait for.
    if (!this.#options.mayDelete()) return this.#leave(true);
    return await this.#delete(file, key, ifMatch);
  }

  /** The ETag of the object that stands there, if it comes from a write of this file that nobody lived to record. */
  async #unrecorded(file: FileRecord, key: string): Promise<string | undefined> {
    const object = await this.#options.objects.headObject(this.#address(key));
    return isTokenOf(object?.token, file, file.fingerprint) ? object?.etag : undefined;
  }

  /** Looks at everything that made it right to delete the object; any of it may have changed since the scan. */
  async #judge(file: FileRecord, key: string): Promise<Judgement> {
    const { state, uploads, owner } = this.#options;
    const upload = await uploads.get(this.#order.upload.id);
    if (upload.scanner !== owner || isResting(upload)) return "stop";
    if ((await state.getFile(file.uploadId, file.path))?.revision !== file.revision) return "leave";
    const holder = await this.#holder(key);
    // As long as the other has not arrived, the object may still be ours.
    if (holder) return holder.state === "UPLOADED" ? "disown" : "leave";
    return await this.#look(file.path, upload);
  }

  /** The other file that has the key, if any. */
  async #holder(key: string): Promise<FileRecord | undefined> {
    for (const neighbour of this.#neighbours) {
      const holder = await this.#options.state.findFileByKey(neighbour, key);
      if (holder) return holder;
    }
    return undefined;
  }

  /** A folder may have taken the place of the file; of anything else the next scan says what it is. */
  async #look(path: string, { spec }: UploadRecord): Promise<Judgement> {
    const { root } = this.#order;
    const there = await root.stat(path);
    if (there !== undefined && there.kind !== "folder") return "leave";
    // Only of what is missing has it been made sure that the root stands.
    if (there !== undefined && !isSame(await root.stat(""), root.facts)) return "stop";
    return (await hasMarker(root, spec.rootMarker)) ? "delete" : "stop";
  }

  /** Without the signal: what has been sent is waited for and recorded. */
  async #delete(file: FileRecord, key: string, ifMatch: string): Promise<FileRecord | null> {
    const { objects, mayDelete } = this.#options;
    const address = this.#address(key);
    const outcome = await objects.deleteObject({ ...address, ifMatch }).catch(async (error: unknown) => {
      if (!mayDelete() && error instanceof ObjectStoreError && error.ambiguous) await this.#makeGood(file, key);
      throw error;
    });
    if (outcome === "changed") return await this.#replaced(file, key, ifMatch);
    // The same bytes have the same ETag: another upload may have sent them while the delete was on its way.
    this.#neighbours = await neighboursOf(this.#order.upload, this.#options.uploads.inStates({}));
    if (await this.#holder(key)) {
      await this.#makeGood(file, key);
      // It keeps its evidence until a scan finds that the other has arrived.
      return this.#leave();
    }
    const after = await this.#record(file, "deleted");
    if (!after || !mayDelete()) await this.#makeGood(file, key);
    return after;
  }

  /** Another object stands there than was recorded: perhaps one of a later write of ours. */
  async #replaced(file: FileRecord, key: string, ifMatch: string): Promise<FileRecord | null> {
    const own = file.attempts > 0 ? await this.#unrecorded(file, key) : undefined;
    if (own !== undefined && own !== ifMatch) return await this.#attempt(file, { key, etag: own });
    const object = `${this.#address(key).bucket}/${key}`;
    const message = `${file.path} is gone, but ${object} has been replaced by somebody else and was not deleted.`;
    this.#warn({ code: "OBJECT_REPLACED", message });
    return await this.#record(file, "disowned");
  }

  /** @returns null when somebody else has written the record in between */
  async #record(file: FileRecord, type: "deleted" | "disowned"): Promise<FileRecord | null> {
    const { ledger, clock, emit } = this.#options;
    const after = reduceFile(file, { type }, clock.now());
    if ((await ledger.offer({ before: file, after })) === "conflict") return this.#leave();
    // The record no longer knows which object it was.
    if (type === "deleted") emit("file:deleted", () => fileEvent(file));
    return after;
  }

  /**
   * A delete may have met what others have sent since, or found standing, if it was long on its way or its owner slept
   * before it: the same bytes may have the same ETag. Whoever claims an object that is not there sends it again.
   */
  async #makeGood(file: FileRecord, key: string): Promise<void> {
    const { state, uploads, objects, ledger, clock, emit } = this.#options;
    const rivals = this.#neighbours.map((neighbour) => state.findFileByKey(neighbour, key));
    for (const claimant of await Promise.all([state.getFile(file.uploadId, file.path), ...rivals])) {
      if (claimant?.state !== "UPLOADED" || claimant.evidence?.key !== key) continue;
      if (await objects.headObject(this.#address(key))) return;
      const reason: Reason = { code: "OBJECT_NOT_FOUND", message: `The object ${key} is not in the bucket any more.` };
      const action = { type: "disproved", reason } as const;
      // First the upload is open, then it gets the file.
      await uploads.applyIfAllowed(claimant.uploadId, { type: "reopen" });
      const after = reduceFile(claimant, action, clock.now());
      if ((await ledger.offer({ before: claimant, after })) === "applied") emitFile(emit, action, after);
    }
  }

  #address(key: string) {
    const { bucket, object } = this.#order.upload.spec;
    return { bucket, key, expectedBucketOwner: object.expectedBucketOwner };
  }

  /** Told once: what is refused for one is, as a rule, refused for all. */
  #giveUp(error: unknown): null {
    if (!(error instanceof ObjectStoreError) && !(error instanceof SourceError)) throw error;
    if (!this.#warned) this.#warn(reasonOf(error));
    this.#warned = true;
    return this.#leave(!(error instanceof ObjectStoreError) || !OF_ONE.includes(error.kind));
  }

  /** To the next scan: this object, or all that are left. */
  #leave(all = false): null {
    this.#stopped ||= all;
    this.#allSettled = false;
    return null;
  }

  #warn(reason: Reason): void {
    emitWarning(this.#options.emit, reason, this.#order.upload.id);
  }
}

function isSame(found: FileFacts | undefined, { dev, ino }: FileFacts): boolean {
  return found?.dev === dev && found.ino === ino;
}

import { Assessor, type AssessorOptions, EMPTIED, keyTaken, OTHER_DEVICE } from "./assess.ts";
import type { Presence, Sighting } from "./decide.ts";
import type { Reason } from "./errors.ts";
import { type Emit, emitFile, fileEvent } from "./events.ts";
import { type FileAction, type FileRecord, reduceFile } from "./file.ts";
import { KnownFiles } from "./known-files.ts";
import type { Ledger } from "./ledger.ts";
import type { Found } from "./merge.ts";
import { comparePaths } from "./paths.ts";
import type { FileChange, FileLedger } from "./ports/state-store.ts";
import type { ScanEntry } from "./scanner.ts";
import type { ScanSummary, UploadRecord } from "./upload.ts";

export interface ReconcileOptions extends AssessorOptions {
  readonly state: FileLedger;
  readonly ledger: Ledger;
  readonly emit: Emit;
  readonly upload: UploadRecord;
  /** Whether it is the device of the last scan. A folder of another device may be an empty mount point. */
  readonly sameDevice: boolean;
  /** Absence is believed whatever the folder looks like: somebody has said that it is as it should be. */
  readonly trusted: boolean;
  /**
   * Called before a batch is written, and again when it is durable, once there is something to upload: first the upload
   * is open, then it gets its files. Dying in between must not leave files in an upload that counts as finished.
   */
  readonly onWork: () => Promise<void>;
}

type Counts = Omit<ScanSummary, "startedAt" | "finishedAt" | "device" | "doubt">;

/** A file that has been changing for so long is reported. Milliseconds. */
const REPORT_UNSTABLE_MS = 600_000;
/** Changes written at a time. */
const BATCH = 250;

/**
 * Merges a scan with what the ledger knows, both in path order, and writes only what differs. Absence counts only in
 * folders that were read, and only when the scan saw anything at all: an empty folder where there were files is more
 * likely an unmounted disk than a clean-up, and so is a folder of another device that lacks files.
 * @returns what it saw; `work` tells whether there is anything to upload, `doubt` why absence was not believed
 */
export async function reconcile(
  batches: AsyncIterable<readonly ScanEntry[]>,
  options: ReconcileOptions,
): Promise<Counts & { readonly work: boolean; readonly doubt: Reason | null }> {
  return await new Reconciliation(options).run(batches);
}

class Reconciliation {
  readonly #options: ReconcileOptions;
  readonly #assessor: Assessor;
  readonly #known: KnownFiles;
  #pending: { change: FileChange; action: FileAction | null }[] = [];
  #newKeys = new Set<string>();
  #unreadable: string | undefined;
  readonly #counts = { seen: 0, added: 0, changed: 0, removed: 0, skipped: 0, unstable: 0, complete: true };
  #work = false;
  #doubt: Reason | null = null;

  constructor(options: ReconcileOptions) {
    this.#options = options;
    this.#assessor = new Assessor(options);
    this.#known = new KnownFiles(options.state, options.upload.id);
  }

  async run(batches: AsyncIterable<readonly ScanEntry[]>) {
    await this.#known.step();
    for await (const batch of batches) {
      for (const entry of batch) if (!this.#passOver(entry)) await this.#entry(entry);
      await this.#flush();
    }
    while (this.#counts.seen === 0 && this.#known.current?.state === "REMOVED") await this.#known.step();
    if (this.#counts.seen === 0 && this.#known.current !== undefined && !this.#options.trusted) this.#doubt = EMPTIED;
    while (this.#known.current && this.#doubt !== EMPTIED) await this.#absent(this.#known.current);
    await this.#flush();
    return { ...this.#counts, work: this.#work, doubt: this.#doubt };
  }

  /** Steps over a file that is as the ledger has it. Nearly all are, and a promise for each would cost more than the rest. */
  #passOver(entry: ScanEntry): boolean {
    const known = this.#known.current;
    if (entry.kind !== "file" || known?.path !== entry.path) return false;
    if (!this.#assessor.isAdmitted(known, entry.facts)) return false;
    if (this.#assessor.action(known, entry) || !this.#known.tryStep()) return false;
    this.#counts.seen++;
    this.#unchanged(known);
    return true;
  }

  async #entry(entry: ScanEntry): Promise<void> {
    while (this.#known.current && comparePaths(this.#known.current.path, entry.path) < 0)
      await this.#absent(this.#known.current);
    if (entry.kind === "unreadable") {
      this.#counts.complete = false;
      this.#unreadable = entry.path;
      this.#options.emit("warning", () => ({ ...entry.reason, uploadId: this.#options.upload.id }));
      if (this.#known.current?.path === entry.path) await this.#known.step();
      return;
    }
    this.#counts.seen++;
    const known = this.#known.current?.path === entry.path ? this.#known.current : undefined;
    if (known) await this.#known.step();
    const admitted = await this.#admit(known, entry);
    if (known) await this.#act(known, admitted);
    else await this.#add(entry.path, admitted);
  }

  /** Applies what only the upload knows: its filters, and the key the file would get. */
  async #admit(known: FileRecord | undefined, found: Found): Promise<Presence> {
    if (found.kind === "skipped" || (known && this.#assessor.isAdmitted(known, found.facts))) return found;
    const admission = this.#assessor.admit(found.path, found.facts);
    const reason = "reason" in admission ? admission.reason : await this.#collision(found.path, admission.key);
    return reason ? { kind: "skipped", reason } : found;
  }

  async #collision(path: string, key: string): Promise<Reason | undefined> {
    if (this.#assessor.template.injective) return undefined;
    if (this.#newKeys.has(key)) await this.#flush();
    let other = await this.#options.state.findFileByKey(this.#options.upload.id, key);
    if (other && other.path !== path && this.#pending.length > 0) {
      // What waits to be written may give the key free: a file that moved to another folder.
      await this.#flush();
      other = await this.#options.state.findFileByKey(this.#options.upload.id, key);
    }
    if (other && other.path !== path) return keyTaken(key, other.path);
    this.#newKeys.add(key);
    return undefined;
  }

  async #absent(known: FileRecord): Promise<void> {
    await this.#known.step();
    const unread = this.#unreadable?.endsWith("/") && known.path.startsWith(this.#unreadable);
    if (unread || known.state === "REMOVED") return;
    if (!this.#options.sameDevice && !this.#options.trusted) {
      this.#doubt = OTHER_DEVICE;
      return;
    }
    await this.#act(known, { kind: "absent" });
  }

  async #add(path: string, sighting: Presence): Promise<void> {
    const after = this.#assessor.firstRecord(path, sighting);
    const skipped = sighting.kind === "skipped";
    if (skipped) this.#counts.skipped++;
    else this.#counts.added++;
    if (after.unstableSince !== null) this.#counts.unstable++;
    await this.#write({ change: { before: null, after }, action: null }, !skipped);
  }

  async #act(known: FileRecord, sighting: Sighting): Promise<void> {
    const action = this.#assessor.action(known, sighting);
    if (!action) {
      this.#unchanged(known);
      return;
    }
    if (action.type === "changed") this.#counts.changed++;
    if (action.type === "remove") this.#counts.removed++;
    if (action.type === "skip") this.#counts.skipped++;
    const after = reduceFile(known, action, this.#options.clock.now());
    if (after.unstableSince !== null) this.#unstable(known, after, after.unstableSince);
    const change = { before: known, after };
    await this.#write({ change, action }, action.type === "changed" || action.type === "requeue");
  }

  #unchanged(known: FileRecord): void {
    if (known.state === "PENDING" && known.unstableSince !== null) this.#counts.unstable++;
  }

  /** Says it once, when a file has not been quiet for long: somebody may have to look. */
  #unstable(before: FileRecord, after: FileRecord, since: number): void {
    this.#counts.unstable++;
    if (before.updatedAt - since >= REPORT_UNSTABLE_MS || after.updatedAt - since < REPORT_UNSTABLE_MS) return;
    const message = `${after.path} has been changing since ${new Date(since).toISOString()} and was never quiet.`;
    this.#options.emit("file:unstable", () => ({ ...fileEvent(after), reason: { code: "SOURCE_UNSTABLE", message } }));
  }

  async #write(item: { change: FileChange; action: FileAction | null }, work: boolean): Promise<void> {
    this.#work ||= work;
    this.#pending.push(item);
    if (this.#pending.length >= BATCH) await this.#flush();
  }

  async #flush(): Promise<void> {
    const { ledger, emit, onWork } = this.#options;
    const written = this.#pending;
    if (written.length === 0) return;
    this.#pending = [];
    this.#newKeys.clear();
    if (this.#work) await onWork();
    const outcomes = await Promise.all(written.map((item) => ledger.offer(item.change)));
    for (const [index, { change, action }] of written.entries()) {
      // Overtaken: a worker or another process has the file; the next scan sees what is left to see.
      if (outcomes[index] !== "applied") continue;
      if (action) emitFile(emit, action, change.after);
      else emitNew(emit, change.after);
    }
    if (this.#work) await onWork();
  }
}

function emitNew(emit: Emit, file: FileRecord): void {
  const { reason } = file;
  if (reason) emit("file:skipped", () => ({ ...fileEvent(file), reason }));
  else emit("file:queued", () => fileEvent(file));
}

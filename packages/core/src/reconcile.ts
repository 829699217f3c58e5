import { type Decision, decide, quietDelay } from "./decide.ts";
import type { Reason } from "./errors.ts";
import { type Emit, emitFile, fileEvent } from "./events.ts";
import { type FileAction, type FileRecord, newFile, reduceFile, type SourceFacts } from "./file.ts";
import { filterReason } from "./filters.ts";
import { compileKeyTemplate, type KeyTemplate, keyProblem } from "./keys.ts";
import { knownFiles } from "./known-files.ts";
import type { Ledger } from "./ledger.ts";
import { comparePaths } from "./paths.ts";
import type { Clock } from "./ports/clock.ts";
import type { FileChange, FileLedger } from "./ports/state-store.ts";
import type { ScanEntry } from "./scanner.ts";
import type { ScanSummary, UploadRecord } from "./upload.ts";

export interface ReconcileOptions {
  readonly state: FileLedger;
  readonly ledger: Ledger;
  readonly emit: Emit;
  readonly upload: UploadRecord;
  readonly clock: Pick<Clock, "now">;
  /** Milliseconds. */
  readonly stabilityThreshold: number;
  /**
   * Called before a batch is written, and again when it is durable, once there is something to upload: first the upload
   * is open, then it gets its files. Dying in between must not leave files in an upload that counts as finished.
   */
  readonly onWork: () => Promise<void>;
}

type Counts = Omit<ScanSummary, "startedAt" | "finishedAt">;
/** What was found out of a path, by the scan or by its absence. */
type Found = Exclude<ScanEntry, { kind: "unreadable" }>;

/** Changes written at a time. */
const BATCH = 250;
const NO_FACTS: SourceFacts = { size: 0, mtimeNs: 0n, fingerprint: "" };

/**
 * Merges a scan with what the ledger knows, both in path order, and writes only what differs. Absence counts only in
 * folders that were read, and only when the scan saw anything at all: an empty folder where there were files is more
 * likely an unmounted disk than a clean-up.
 * @returns what it saw; `work` tells whether there is anything to upload
 */
export async function reconcile(
  batches: AsyncIterable<readonly ScanEntry[]>,
  options: ReconcileOptions,
): Promise<Counts & { readonly work: boolean; readonly suspicious: boolean }> {
  return await new Reconciliation(options).run(batches);
}

class Reconciliation {
  readonly #options: ReconcileOptions;
  readonly #template: KeyTemplate;
  readonly #known: AsyncIterator<FileRecord>;
  #next: FileRecord | undefined;
  #pending: { change: FileChange; action: FileAction | null }[] = [];
  #newKeys = new Set<string>();
  #unreadable: string | undefined;
  readonly #counts = { seen: 0, added: 0, changed: 0, removed: 0, skipped: 0, complete: true };
  #work = false;

  constructor(options: ReconcileOptions) {
    this.#options = options;
    this.#template = compileKeyTemplate(options.upload.spec.keyTemplate, options.upload.id);
    this.#known = knownFiles(options.state, options.upload.id);
  }

  async run(batches: AsyncIterable<readonly ScanEntry[]>) {
    await this.#advance();
    for await (const batch of batches) {
      for (const entry of batch) await this.#entry(entry);
      await this.#flush();
    }
    while (this.#counts.seen === 0 && this.#next?.state === "REMOVED") await this.#advance();
    const suspicious = this.#counts.seen === 0 && this.#next !== undefined;
    while (this.#next && !suspicious) await this.#absent(this.#next);
    await this.#flush();
    return { ...this.#counts, work: this.#work, suspicious };
  }

  async #entry(entry: ScanEntry): Promise<void> {
    while (this.#next && comparePaths(this.#next.path, entry.path) < 0) await this.#absent(this.#next);
    if (entry.kind === "unreadable") {
      this.#counts.complete = false;
      this.#unreadable = entry.path;
      this.#options.emit("warning", () => ({ ...entry.reason, uploadId: this.#options.upload.id }));
      if (this.#next?.path === entry.path) await this.#advance();
      return;
    }
    this.#counts.seen++;
    const known = this.#next?.path === entry.path ? this.#next : undefined;
    if (known) await this.#advance();
    await this.#record(known, await this.#admit(known, entry));
  }

  /** Applies what only the upload knows: its filters, and the key the file would get. */
  async #admit(known: FileRecord | undefined, found: Found): Promise<Found> {
    if (found.kind === "skipped") return found;
    const { upload, clock } = this.#options;
    // What arrived while it was wanted stays, however old it grows.
    const same = known?.fingerprint === found.facts.fingerprint;
    if (same && known?.state === "UPLOADED") return found;
    const filtered = filterReason(upload.spec, found.facts, clock.now());
    if (filtered) return { kind: "skipped", path: found.path, reason: filtered };
    // A file that has its key needs no second look; SKIPPED and REMOVED ones have lost theirs.
    if (known?.fingerprint === found.facts.fingerprint && known.key !== "") return found;
    const key = this.#template.key(found.path, found.facts.mtimeNs);
    const problem = keyProblem(key) ?? (await this.#collision(found.path, key));
    return problem ? { kind: "skipped", path: found.path, reason: problem } : found;
  }

  async #collision(path: string, key: string): Promise<Reason | undefined> {
    if (this.#template.injective) return undefined;
    if (this.#newKeys.has(key)) await this.#flush();
    let other = await this.#options.state.findFileByKey(this.#options.upload.id, key);
    if (other && other.path !== path && this.#pending.length > 0) {
      // What waits to be written may give the key free: a file that moved to another folder.
      await this.#flush();
      other = await this.#options.state.findFileByKey(this.#options.upload.id, key);
    }
    if (other && other.path !== path) {
      return { code: "KEY_COLLISION", message: `The key ${key} belongs to ${other.path} already.` };
    }
    this.#newKeys.add(key);
    return undefined;
  }

  async #absent(known: FileRecord): Promise<void> {
    await this.#advance();
    const unread = this.#unreadable?.endsWith("/") && known.path.startsWith(this.#unreadable);
    if (unread) return;
    await this.#decide(known, decide(known, { kind: "absent" }), NO_FACTS, undefined);
  }

  async #record(known: FileRecord | undefined, found: Found): Promise<void> {
    const facts = found.kind === "file" ? found.facts : NO_FACTS;
    const reason = found.kind === "skipped" ? found.reason : undefined;
    if (known) return await this.#decide(known, decide(known, found), facts, reason);
    const { upload, clock } = this.#options;
    const { path } = found;
    const key = reason ? "" : this.#template.key(path, facts.mtimeNs);
    const init = { uploadId: upload.id, path, key, ...facts, nextAttemptAt: this.#quietAt(facts) };
    const after = newFile(reason ? { ...init, skip: reason } : init, clock.now());
    if (reason) this.#counts.skipped++;
    else this.#counts.added++;
    await this.#write({ change: { before: null, after }, action: null }, !reason);
  }

  async #decide(known: FileRecord, decision: Decision, facts: SourceFacts, reason: Reason | undefined): Promise<void> {
    const action = this.#action(known, decision, facts, reason);
    if (!action) return;
    if (action.type === "changed") this.#counts.changed++;
    if (action.type === "remove") this.#counts.removed++;
    if (action.type === "skip") this.#counts.skipped++;
    const change = { before: known, after: reduceFile(known, action, this.#options.clock.now()) };
    await this.#write({ change, action }, action.type === "changed" || action.type === "requeue");
  }

  #action(
    known: FileRecord,
    decision: Decision,
    facts: SourceFacts,
    reason: Reason | undefined,
  ): FileAction | undefined {
    if (decision === "changed") {
      const key = this.#template.key(known.path, facts.mtimeNs);
      return { type: "changed", facts, key, nextAttemptAt: this.#quietAt(facts) };
    }
    if (decision === "skip" && reason) return { type: "skip", reason };
    if (decision === "requeue" || decision === "remove") return { type: decision };
    return undefined;
  }

  /** When the file will have been quiet for long enough; 0 when it has been. */
  #quietAt(facts: SourceFacts): number {
    const { clock, stabilityThreshold } = this.#options;
    const now = clock.now();
    const delay = quietDelay(facts.mtimeNs, now, stabilityThreshold);
    return delay > 0 ? now + delay : 0;
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

  async #advance(): Promise<void> {
    const { value, done } = await this.#known.next();
    this.#next = done ? undefined : value;
  }
}

function emitNew(emit: Emit, file: FileRecord): void {
  const { reason } = file;
  if (reason) emit("file:skipped", () => ({ ...fileEvent(file), reason }));
  else emit("file:queued", () => fileEvent(file));
}

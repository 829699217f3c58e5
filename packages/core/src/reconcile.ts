import { fateOf } from "./after-upload.ts";
import { Assessor, type AssessorOptions, EMPTIED, keyTaken } from "./assess.ts";
import type { Presence, Sighting } from "./decide.ts";
import type { Reason } from "./errors.ts";
import { type Emit, emitFile, emitWarning, fileEvent } from "./events.ts";
import { type FileAction, type FileRecord, reduceFile, type SourceFacts } from "./file.ts";
import { KnownFiles } from "./known-files.ts";
import type { Ledger } from "./ledger.ts";
import { type Belief, type Found, type IsUnchanged, type Meeting, Merge } from "./merge.ts";
import type { FileChange, FileLedger } from "./ports/state-store.ts";
import type { ScanEntry } from "./scanner.ts";
import type { ScanSummary, UploadRecord } from "./upload.ts";

export interface ReconcileOptions extends AssessorOptions, Belief {
  readonly state: FileLedger;
  readonly ledger: Ledger;
  readonly emit: Emit;
  readonly upload: UploadRecord;
  /**
   * Called before a batch is written, and again when it is durable, once there is something to upload: first the upload
   * is open, then it gets its files. Dying in between must not leave files in an upload that counts as finished.
   */
  readonly onWork: () => Promise<void>;
  /**
   * Called for each file that is there, and has left its place according to its record: after what this scan made of it is
   * durable. Default: no file ever leaves.
   */
  readonly onOverstaying?: (path: string, facts: SourceFacts) => Promise<void>;
}

type Counts = Omit<ScanSummary, "startedAt" | "finishedAt" | "device" | "doubt">;

/** A file that has been changing for so long is reported. Milliseconds. */
const REPORT_UNSTABLE_MS = 600_000;
/** Changes written at a time. */
const BATCH = 256;

/**
 * Merges a scan with what the ledger knows, and writes only what differs. When absence counts is said at `Merge`.
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
  readonly #merge: Merge;
  #pending: { change: FileChange; action: FileAction | null }[] = [];
  #newKeys = new Set<string>();
  #overstaying: { readonly path: string; readonly facts: SourceFacts }[] = [];
  readonly #counts = { added: 0, changed: 0, removed: 0, skipped: 0, unstable: 0 };
  #work = false;

  constructor(options: ReconcileOptions) {
    this.#options = options;
    this.#assessor = new Assessor(options);
    this.#merge = new Merge(new KnownFiles(options.state, options.upload.id), options, this.#isUnchanged);
  }

  async run(batches: AsyncIterable<readonly ScanEntry[]>) {
    for await (const meetings of this.#merge.meetings(batches)) {
      for (const meeting of meetings) await this.#meet(meeting);
      await this.#flush();
      await this.#clear();
      // Nothing more will be believed, and a disk may stay unmounted for many scans.
      if (this.#merge.doubt === EMPTIED) break;
    }
    const { seen, complete, doubt } = this.#merge;
    return { seen, ...this.#counts, complete, work: this.#work, doubt };
  }

  /** What is waited for until it is quiet has to be counted. */
  readonly #isUnchanged: IsUnchanged = (known, entry) =>
    !isUnstable(known) &&
    !this.#leaves(known) &&
    this.#assessor.isAdmitted(known, entry.facts) &&
    !this.#assessor.action(known, entry);

  async #meet(meeting: Meeting): Promise<void> {
    switch (meeting.kind) {
      case "left":
        return;
      case "absent":
        await this.#act(meeting.known, { kind: "absent" });
        return;
      case "unreadable":
        return emitWarning(this.#options.emit, meeting.reason, this.#options.upload.id);
      case "found": {
        const { known, found } = meeting;
        const admitted = await this.#admit(known, found);
        const after = known ? await this.#act(known, admitted) : await this.#add(found.path, admitted);
        if (found.kind === "file" && this.#leaves(after)) this.#overstaying.push(found);
        return;
      }
    }
  }

  #leaves(file: FileRecord): boolean {
    return this.#options.onOverstaying !== undefined && fateOf(this.#options.upload.spec, file) !== "stays";
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

  async #add(path: string, sighting: Presence): Promise<FileRecord> {
    const after = this.#assessor.firstRecord(path, sighting);
    const skipped = sighting.kind === "skipped";
    if (skipped) this.#counts.skipped++;
    else this.#counts.added++;
    if (after.unstableSince !== null) this.#counts.unstable++;
    await this.#write({ change: { before: null, after }, action: null }, !skipped);
    return after;
  }

  /** @returns the record as it is then */
  async #act(known: FileRecord, sighting: Sighting): Promise<FileRecord> {
    const action = this.#assessor.action(known, sighting);
    if (!action) {
      if (isUnstable(known)) this.#counts.unstable++;
      return known;
    }
    if (action.type === "changed") this.#counts.changed++;
    if (action.type === "remove") this.#counts.removed++;
    if (action.type === "skip") this.#counts.skipped++;
    const after = reduceFile(known, action, this.#options.clock.now());
    if (after.unstableSince !== null) this.#unstable(known, after, after.unstableSince);
    const change = { before: known, after };
    await this.#write({ change, action }, action.type === "changed" || action.type === "requeue");
    return after;
  }

  /** Says it once, when a file has not been quiet for long: somebody may have to look. */
  #unstable(before: FileRecord, after: FileRecord, since: number): void {
    this.#counts.unstable++;
    if (before.updatedAt - since >= REPORT_UNSTABLE_MS || after.updatedAt - since < REPORT_UNSTABLE_MS) return;
    const message = `${after.path} has been changing since ${new Date(since).toISOString()} and was never quiet.`;
    this.#options.emit("file:unstable", () => ({ ...fileEvent(after), reason: { code: "SOURCE_UNSTABLE", message } }));
  }

  async #clear(): Promise<void> {
    const { onOverstaying } = this.#options;
    const overstaying = this.#overstaying;
    this.#overstaying = [];
    for (const { path, facts } of overstaying) await onOverstaying?.(path, facts);
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

/** Queued, and waited for until it is quiet. */
function isUnstable({ state, unstableSince }: FileRecord): boolean {
  return state === "PENDING" && unstableSince !== null;
}

function emitNew(emit: Emit, file: FileRecord): void {
  const { reason } = file;
  if (reason) emit("file:skipped", () => ({ ...fileEvent(file), reason }));
  else emit("file:queued", () => fileEvent(file));
}

import { join } from "node:path";
import { Assessor } from "./assess.ts";
import { DROP_FOLDERS, makeDropFolders, openDropFolder } from "./drop-folders.ts";
import { reasonOf, SourceError } from "./errors.ts";
import { type Emit, emitWarning } from "./events.ts";
import { type SourceFacts, sourceFacts } from "./file.ts";
import { joinPath, parentPath } from "./paths.ts";
import { compilePatterns } from "./patterns.ts";
import type { Clock } from "./ports/clock.ts";
import type { FileSystem, SourceRoot } from "./ports/file-system.ts";
import { changesOf, type FolderChanges } from "./ports/folder-changes.ts";
import type { FileLedger } from "./ports/state-store.ts";
import { scan } from "./scanner.ts";
import { openBase } from "./source.ts";
import { quietDelay, type StabilityPolicy } from "./stability.ts";
import type { UploadRecord } from "./upload.ts";

export interface IntakeOptions {
  readonly fileSystem: FileSystem;
  readonly state: Pick<FileLedger, "getFile">;
  readonly clock: Clock;
  readonly emit: Emit;
  /** Milliseconds. */
  readonly stabilityThreshold: number;
}

/** A file of incoming/ that was not quiet, as it was when it was first seen so. */
interface Look {
  readonly fingerprint: string;
  /** Monotonic, since when it is like this. */
  readonly since: number;
  /** Milliseconds since 1970, since when it is not quiet. */
  readonly unquietSince: number;
}

interface Round {
  readonly looks: Map<string, Look>;
  /** Files whose name is in use in working/. */
  readonly waiting: Set<string>;
  /** Milliseconds until something may be quiet; null: nothing will be by itself. */
  again: number | null;
}

/** Longest time between two looks for files in done/ that have been kept long enough. Milliseconds. */
const EXPIRY_EVERY = 3_600_000;
/** What tells files of one name apart in done/: when they were moved there, see disposal.ts. */
const MOVED_AT = /~\d{8}T\d{9}Z(?:~\d+)?(?=(?:\.[^./]*)?$)/;
/** Entries of incoming/ that are left alone and have been told of; a memory that is full forgets, and tells again. */
const TOLD_AT_MOST = 10_000;

/**
 * The way into drop folders, and out of them: takes what is complete from incoming/ to working/, where only Bucketline
 * writes, and deletes what has been long enough in done/. Runs inside a scan, of which there is one at a time per upload.
 */
export class Intake {
  readonly #options: IntakeOptions;
  readonly #rounds = new Map<string, Round>();
  readonly #expiryDue = new Map<string, number>();
  readonly #told = new Set<string>();

  constructor(options: IntakeOptions) {
    this.#options = options;
  }

  /** Milliseconds until the last round left something that may be ready; null: nothing. */
  again(uploadId: string): number | null {
    return this.#rounds.get(uploadId)?.again ?? null;
  }

  /** Whether a file of this path waits in incoming/ for its name. */
  isWaiting(uploadId: string, path: string): boolean {
    return this.#rounds.get(uploadId)?.waiting.has(path) ?? false;
  }

  forget(uploadId: string): void {
    this.#rounds.delete(uploadId);
    this.#expiryDue.delete(uploadId);
  }

  /**
   * Takes every file in that is wanted and quiet. What cannot be moved is told as a warning and stays for the next round.
   * @throws SourceError when one of the folders cannot be used · the signal's reason
   */
  async takeIn(upload: UploadRecord, signal: AbortSignal): Promise<void> {
    const { clock, emit } = this.#options;
    const changing = this.#changing();
    const base = await openBase(changing, upload.spec);
    await makeDropFolders(changing, base);
    const incoming = await openDropFolder(changing, base, "incoming");
    const working = await openDropFolder(changing, base, "working");
    const threshold = upload.spec.mode === "watch" ? this.#options.stabilityThreshold : 0;
    const stability = { threshold, maxUnstableAge: upload.spec.maxUnstableAge };
    const assessor = new Assessor({ upload, clock, stability });
    const before = this.#rounds.get(upload.id)?.looks;
    // Once per run: a process may have died between the last file of a folder and the folder.
    if (!before) await clearFolders(changing, working, "", signal);
    const round: Round = { looks: new Map(), waiting: new Set(), again: null };
    const entries = scan(incoming, { filter: compilePatterns(upload.spec), followLinks: false, signal });
    for await (const batch of entries)
      for (const entry of batch) {
        if (entry.kind === "unreadable") emitWarning(emit, entry.reason, upload.id);
        else if (entry.kind === "skipped") this.#leave(upload, entry.path, entry.reason.message);
        else if (this.#isReady(assessor, upload, entry, { before, round, stability }))
          await this.#take(upload, { incoming, working, round }, entry);
      }
    this.#rounds.set(upload.id, round);
  }

  #isReady(
    assessor: Assessor,
    upload: UploadRecord,
    { path, facts }: { readonly path: string; readonly facts: SourceFacts },
    seen: {
      readonly before: Map<string, Look> | undefined;
      readonly round: Round;
      readonly stability: StabilityPolicy;
    },
  ): boolean {
    const admission = assessor.admit(path, facts);
    if ("reason" in admission) {
      if (admission.reason.code !== "FILE_FILTERED") this.#leave(upload, path, admission.reason.message);
      return false;
    }
    const { clock } = this.#options;
    const last = seen.before?.get(path);
    const delay = quietDelay(facts, last?.unquietSince ?? null, clock.now(), seen.stability);
    if (delay === 0) return true;
    const now = clock.monotonic();
    const since = last?.fingerprint === facts.fingerprint ? last.since : now;
    // A time in the future never grows old: then it counts that nothing has changed for as long as we looked.
    const left = Math.min(delay, seen.stability.threshold - (now - since));
    if (left <= 0) return true;
    const unquietSince = last?.unquietSince ?? clock.now();
    seen.round.looks.set(path, { fingerprint: facts.fingerprint, since, unquietSince });
    seen.round.again = Math.min(seen.round.again ?? left, left);
    return false;
  }

  async #take(
    upload: UploadRecord,
    {
      incoming,
      working,
      round,
    }: { readonly incoming: SourceRoot; readonly working: SourceRoot; readonly round: Round },
    { path, facts }: { readonly path: string; readonly facts: SourceFacts },
  ): Promise<void> {
    const { emit } = this.#options;
    try {
      const [from, to] = [
        { root: incoming, path },
        { root: working, path },
      ];
      const result = await this.#changing().moveFile(from, to, facts.fingerprint);
      if (result === "taken") round.waiting.add(path);
      if (result !== "done") return;
      this.#told.delete(`${upload.id} ${path}`);
      const shown = { from: join(incoming.path, path), to: join(working.path, path) };
      emit("file:claimed", () => ({ uploadId: upload.id, path, ...shown }));
    } catch (error) {
      this.#leave(upload, path, reasonOf(error).message);
    }
  }

  /** Deletes files that have been in done/ for as long as the upload says. What fails is told, and tried again. */
  async expire(upload: UploadRecord, signal: AbortSignal): Promise<void> {
    const { clock, emit } = this.#options;
    const retention = upload.spec.drop?.retention ?? null;
    if (retention === null || clock.monotonic() < (this.#expiryDue.get(upload.id) ?? 0)) return;
    this.#expiryDue.set(upload.id, clock.monotonic() + Math.min(retention, EXPIRY_EVERY));
    const changing = this.#changing();
    const done = await openDropFolder(changing, await openBase(changing, upload.spec), "done");
    const filter = compilePatterns({ pattern: ["**"], exclude: [], dot: true });
    for await (const batch of scan(done, { filter, followLinks: false, signal }))
      for (const entry of batch) {
        if (entry.kind !== "file") continue;
        const { path } = entry;
        try {
          const facts = await done.stat(path);
          // The move set its ctime, and nothing can set it back.
          if (facts?.kind !== "file" || clock.now() - Number(facts.ctimeNs / 1_000_000n) < retention) continue;
          if (!(await this.#isDelivered(upload, path))) continue;
          if ((await changing.removeFile({ root: done, path }, sourceFacts(facts).fingerprint)) !== "done") continue;
          emit("file:disposed", () => ({ uploadId: upload.id, path, from: join(done.path, path), to: null }));
          await changing.removeEmptyFolders(done, parentPath(path));
        } catch (error) {
          this.#leave(upload, `done/${path}`, reasonOf(error).message);
        }
      }
  }

  /** Whether the ledger says that the bucket has it: what it doubts, or does not know, may be the only copy. */
  async #isDelivered({ id }: UploadRecord, path: string): Promise<boolean> {
    for (const name of new Set([path, path.replace(MOVED_AT, "")])) {
      const file = await this.#options.state.getFile(id, name);
      if (file) return file.state === "UPLOADED";
    }
    return false;
  }

  #leave(upload: UploadRecord, path: string, why: string): void {
    const key = `${upload.id} ${path}`;
    if (this.#told.has(key)) return;
    if (this.#told.size >= TOLD_AT_MOST) this.#told.clear();
    this.#told.add(key);
    const message = `${path} stays where it is: ${why}`;
    emitWarning(this.#options.emit, { code: "SOURCE_NOT_DISPOSED", message }, upload.id);
  }

  #changing(): FileSystem & FolderChanges {
    const changing = changesOf(this.#options.fileSystem);
    if (changing) return changing;
    const folders = DROP_FOLDERS.join(", ");
    throw new SourceError("SOURCE_NOT_DISPOSED", `The service's fileSystem cannot move files between ${folders}.`);
  }
}

/** Removes the folders in which no file is. Those that cannot be read stay. */
async function clearFolders(
  changing: FolderChanges,
  root: SourceRoot,
  path: string,
  signal: AbortSignal,
): Promise<void> {
  signal.throwIfAborted();
  const entries = await root.readFolder(path).catch(() => undefined);
  for (const { name, kind, validName } of entries ?? [])
    if (kind === "folder" && validName) await clearFolders(changing, root, joinPath(path, name), signal);
  // One that holds only folders may be empty by now.
  if (path !== "" && entries?.every(({ kind }) => kind === "folder")) await changing.removeEmptyFolders(root, path);
}

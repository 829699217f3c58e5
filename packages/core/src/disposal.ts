import { join } from "node:path";
import { type Fate, fateOf } from "./after-upload.ts";
import { openDropFolder, openMoveTarget } from "./drop-folders.ts";
import { type Reason, reasonOf, SourceError } from "./errors.ts";
import { type Emit, emitWarning } from "./events.ts";
import { type FileRecord, isSameContent, type SourceFacts, sourceFacts } from "./file.ts";
import { joinPath, parentPath } from "./paths.ts";
import type { Clock } from "./ports/clock.ts";
import type { FileSystem, SourceRoot } from "./ports/file-system.ts";
import { type ChangeResult, changesOf, type FilePlace, type FolderChanges } from "./ports/folder-changes.ts";
import type { FileLedger } from "./ports/state-store.ts";
import { openBase, openSource } from "./source.ts";
import type { UploadRecord } from "./upload.ts";

export interface DisposalOptions {
  readonly fileSystem: FileSystem;
  readonly state: Pick<FileLedger, "getFile">;
  readonly clock: Pick<Clock, "now">;
  readonly emit: Emit;
  /** What was to be moved has changed since: the folder has to be scanned again before the upload can be finished. */
  readonly onChanged: (upload: UploadRecord) => void;
  /** Nothing has this path in the folder any more. */
  readonly onFree: (uploadId: string, path: string) => void;
}

/** Paths whose trouble has been told; a memory that is full forgets, and tells again. */
const TOLD_AT_MOST = 10_000;
/** Names that are tried for one file within the same millisecond. */
const NAMES_AT_MOST = 10;

type Changing = FileSystem & FolderChanges;

/**
 * Moves or deletes source files when the ledger says that they are done with. Nothing of it is recorded: the place of a
 * file follows from its record, so whatever a crash left undone is done by the next scan. A file goes only while its record
 * stands and while it is, to its ctime, the file of which the record speaks. What fails is told once and tried again.
 */
export class Disposal {
  readonly #options: DisposalOptions;
  readonly #told = new Set<string>();

  constructor(options: DisposalOptions) {
    this.#options = options;
  }

  /** Of a record that was just committed. Never throws. */
  async settle(upload: UploadRecord, file: FileRecord): Promise<void> {
    await this.#dispose(upload, file, file.fingerprint);
  }

  /**
   * Of a file that a scan has found, whose record it may have read long ago: read again, as the evidence may have been
   * disproved since, and then this may be the only copy. Never throws but for the ledger.
   */
  async settleFound(upload: UploadRecord, path: string, facts: SourceFacts): Promise<void> {
    const file = await this.#options.state.getFile(upload.id, path);
    if (!file) return;
    await this.#dispose(upload, file, file.state === "SKIPPED" ? facts.fingerprint : file.fingerprint);
  }

  /**
   * Takes a file of a drop folder from failed/ back to working/, to be tried again. Never throws.
   * @returns false when it is in neither, which is told
   */
  async restore(upload: UploadRecord, file: FileRecord): Promise<boolean> {
    if (!upload.spec.drop || fateOf(upload.spec, file) !== "failed") return true;
    try {
      const changing = this.#changing();
      const base = await openBase(changing, upload.spec);
      const failed = await openDropFolder(changing, base, "failed");
      const working = await openDropFolder(changing, base, "working");
      const kept = await this.#findKept(failed, file);
      if (kept) {
        const result = await changing.moveFile(kept.place, { root: working, path: file.path }, kept.fingerprint);
        if (result === "done") this.#tellMoved(upload, file.path, kept.place, { root: working, path: file.path });
      }
      if (await working.stat(file.path)) return true;
      const message = `${file.path} is neither in failed/ nor in working/. Put it into incoming/ to have it sent.`;
      throw new SourceError("SOURCE_NOT_FOUND", message);
    } catch (error) {
      this.#warn(upload, file.path, reasonOf(error));
      return false;
    }
  }

  /** Where the file was put in failed/: under its name, or beside an older one of that name. */
  async #findKept(failed: SourceRoot, { path, fingerprint }: FileRecord) {
    const folder = parentPath(path);
    const [stem, extension] = splitName(path.slice(folder === "" ? 0 : folder.length + 1));
    const names = (await failed.readFolder(folder).catch(() => []))
      .filter(({ name, kind }) => kind === "file" && name.startsWith(stem) && name.endsWith(extension))
      .filter(({ name }) => name === stem + extension || name.startsWith(`${stem}~`));
    let plain: { place: FilePlace; fingerprint: string } | undefined;
    for (const { name } of names) {
      const place = { root: failed, path: joinPath(folder, name) };
      const facts = await failed.stat(place.path);
      if (facts?.kind !== "file") continue;
      const found = { place, fingerprint: sourceFacts(facts).fingerprint };
      if (isSameContent(found.fingerprint, fingerprint)) return found;
      if (name === stem + extension) plain = found;
    }
    // Somebody has mended it, and that is why it is to be tried again.
    return plain;
  }

  async #dispose(upload: UploadRecord, file: FileRecord, fingerprint: string): Promise<void> {
    const fate = fateOf(upload.spec, file);
    if (fate === "stays") return;
    try {
      const changing = this.#changing();
      const root = await openSource(changing, upload.spec);
      const result = await this.#carryOut(changing, upload, { root, path: file.path }, fate, fingerprint);
      if (result === "changed") return this.#options.onChanged(upload);
      if (result !== "done") return;
      this.#told.delete(keyOf(upload, file.path));
      // Only the folders of a drop folder's working/ are ours.
      if (upload.spec.drop) await changing.removeEmptyFolders(root, parentPath(file.path));
      this.#options.onFree(upload.id, file.path);
    } catch (error) {
      this.#warn(upload, file.path, reasonOf(error));
    }
  }

  async #carryOut(
    changing: Changing,
    upload: UploadRecord,
    from: FilePlace & { readonly root: SourceRoot },
    fate: Exclude<Fate, "stays">,
    fingerprint: string,
  ): Promise<ChangeResult> {
    const { spec } = upload;
    if (spec.drop) {
      const base = await openBase(changing, spec);
      const to = await openDropFolder(changing, base, fate === "sent" ? "done" : "failed");
      return await this.#move(changing, upload, from, to, fingerprint);
    }
    if (typeof spec.afterUpload === "object") {
      const to = await openMoveTarget(changing, from.root, spec.afterUpload.moveTo);
      return await this.#move(changing, upload, from, to, fingerprint);
    }
    const result = await changing.removeFile(from, fingerprint);
    if (result === "done") this.#tellMoved(upload, from.path, from, null);
    return result;
  }

  async #move(
    changing: Changing,
    upload: UploadRecord,
    from: FilePlace,
    root: SourceRoot,
    fingerprint: string,
  ): Promise<ChangeResult> {
    for (const path of namesFor(from.path, this.#options.clock.now())) {
      const to = { root, path };
      const result = await changing.moveFile(from, to, fingerprint);
      if (result === "done") this.#tellMoved(upload, from.path, from, to);
      if (result !== "taken") return result;
    }
    throw new SourceError("SOURCE_NOT_DISPOSED", `${from.path} finds no free name in ${root.path}.`);
  }

  #changing(): Changing {
    const changing = changesOf(this.#options.fileSystem);
    if (changing) return changing;
    throw new SourceError("SOURCE_NOT_DISPOSED", "The service's fileSystem can neither move nor delete files.");
  }

  #tellMoved({ id: uploadId }: UploadRecord, path: string, from: FilePlace, to: FilePlace | null): void {
    const shown = (place: FilePlace) => join(place.root.path, place.path);
    this.#options.emit("file:disposed", () => ({ uploadId, path, from: shown(from), to: to && shown(to) }));
  }

  #warn(upload: UploadRecord, path: string, { code, message }: Reason): void {
    const key = keyOf(upload, path);
    if (this.#told.has(key)) return;
    if (this.#told.size >= TOLD_AT_MOST) this.#told.clear();
    this.#told.add(key);
    const reason: Reason = code === "SOURCE_NOT_FOUND" ? { code, message } : { code: "SOURCE_NOT_DISPOSED", message };
    emitWarning(this.#options.emit, reason, upload.id);
  }
}

function keyOf({ id }: UploadRecord, path: string): string {
  return `${id} ${path}`;
}

/** The file's own path, and then ones that say when it was moved: `a/b~20260102T030405678Z.txt`. */
export function* namesFor(path: string, now: number): Generator<string, void> {
  yield path;
  const folder = parentPath(path);
  const [stem, extension] = splitName(path.slice(folder === "" ? 0 : folder.length + 1));
  const time = new Date(now).toISOString().replaceAll(/[-:.]/g, "");
  for (let count = 0; count < NAMES_AT_MOST; count++)
    yield joinPath(folder, `${stem}~${time}${count > 0 ? `~${count}` : ""}${extension}`);
}

/** A name and its extension with the dot; a dot at its beginning begins none. */
function splitName(name: string): readonly [string, string] {
  const dot = name.lastIndexOf(".");
  return dot > 0 ? [name.slice(0, dot), name.slice(dot)] : [name, ""];
}

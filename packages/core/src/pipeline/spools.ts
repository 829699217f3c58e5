import { createHash } from "node:crypto";
import { reasonOf } from "../errors.ts";
import { type Emit, emitWarning } from "../events.ts";
import { type FileRecord, withoutDevice } from "../file.ts";
import type { SpoolFolder, SpoolReader, SpoolWriter } from "../ports/spool-folder.ts";
import type { StateStore } from "../ports/state-store.ts";
import { Room, type Writer } from "./room.ts";
import { encodeFacts, readFacts, type SpoolFacts } from "./spool-file.ts";

export interface SpoolsOptions {
  readonly folder: SpoolFolder;
  /** Bytes of all spooled content together. */
  readonly maxBytes: number;
  readonly state: Pick<StateStore, "getFile" | "getUpload">;
  readonly emit: Emit;
  /** Whether the service has a pipeline with this identity. */
  readonly isKnown: (identity: string) => boolean;
}

interface Entry {
  readonly name: string;
  readonly facts: SpoolFacts;
  /** Attempts that send it. */
  users: number;
  /** Made by an earlier run, whose checks may have been others. */
  inherited: boolean;
}

/** A spooled file in the hands of an attempt. */
export interface HeldSpool {
  readonly entry: Entry;
  readonly facts: SpoolFacts;
  readonly reader: SpoolReader;
}

type FileId = Pick<FileRecord, "uploadId" | "path">;

/**
 * What transforms have made and has not arrived yet. A spooled file is a cache, though a dear one: its source can always be
 * transformed again. So one that nobody works with makes room for others, and what nobody can use any more is removed.
 */
export class Spools {
  readonly #options: SpoolsOptions;
  readonly #room: Room;
  /** By the name of their file, the one used longest ago first. */
  readonly #entries = new Map<string, Entry>();
  #opening: Promise<void> | undefined;
  #isOpen = false;

  constructor(options: SpoolsOptions) {
    this.#options = options;
    const evict = () => this.#evict();
    const isSending = () => [...this.#entries.values()].some(({ users }) => users > 0);
    this.#room = new Room({ limit: options.maxBytes, evict, isSending });
  }

  /** Bytes of content that is there, or being written. */
  get used(): number {
    return this.#room.used;
  }

  /** @throws BucketlineError `SPOOL_NOT_WRITABLE`, `SPOOL_FULL` */
  async open(): Promise<void> {
    this.#opening ??= this.#takeOver().catch((error: unknown) => {
      this.#opening = undefined;
      throw error;
    });
    await this.#opening;
  }

  /** What the pipeline has made of these bytes, if it is there. Held until `release`. */
  async take(task: FileId, fingerprint: string, identity: string): Promise<HeldSpool | undefined> {
    await this.open();
    const name = nameOf(task);
    const entry = this.#entries.get(name);
    if (!entry) return undefined;
    const fits = entry.facts.identity === identity && isSame(entry.facts.fingerprint, fingerprint);
    const reader = fits ? await this.#openHeld(entry) : undefined;
    if (!reader) {
      await this.#remove(entry);
      return undefined;
    }
    return { entry, facts: entry.facts, reader };
  }

  /** Where an attempt writes. */
  async begin(file: FileId, signal: AbortSignal): Promise<SpoolDraft> {
    await this.open();
    const { folder } = this.#options;
    const writer = this.#room.enter(file.path);
    try {
      return new SpoolDraft({
        room: this.#room,
        writer,
        file: await folder.create(),
        signal,
        name: nameOf(file),
        onFinished: (facts) => this.#add({ name: nameOf(file), facts, users: 0, inherited: false }),
      });
    } catch (error) {
      this.#room.leave(writer);
      throw error;
    }
  }

  /** An attempt is over: what it held is kept for the next one, or removed if there will be none. @param file as it is now */
  async release({ entry, reader }: HeldSpool, file: FileRecord): Promise<void> {
    entry.users--;
    await reader.close();
    if (entry.users > 0) return;
    if (!isWanted(file, entry.facts)) return await this.#remove(entry);
    if (this.#entries.get(entry.name) === entry) {
      this.#entries.delete(entry.name);
      this.#entries.set(entry.name, entry);
    }
    this.#room.changed();
  }

  /** What is there of the file is not what it was. */
  async drop(file: FileId): Promise<void> {
    const entry = this.#entries.get(nameOf(file));
    if (entry) await this.#remove(entry);
  }

  /** Removes what nobody can use any more, and takes over what has died meanwhile. */
  async sweep(): Promise<void> {
    if (!this.#isOpen) return;
    await this.#takeOver();
    for (const entry of [...this.#entries.values()]) if (entry.users === 0) await this.#judge(entry);
  }

  /** In use from the first moment: what is being opened must not make room for others. */
  async #openHeld(entry: Entry): Promise<SpoolReader | undefined> {
    entry.users++;
    let reader: SpoolReader | undefined;
    try {
      reader = await this.#options.folder.read(entry.name);
      return reader;
    } finally {
      if (!reader) {
        entry.users--;
        this.#room.changed();
      }
    }
  }

  async close(): Promise<void> {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    await this.#options.folder.close();
  }

  async #takeOver(): Promise<void> {
    const { folder } = this.#options;
    for (const name of await folder.open()) {
      const facts = await this.#factsOf(name);
      // An attempt may just have made it anew.
      if (this.#entries.has(name)) continue;
      if (!facts) {
        await folder.remove(name);
        continue;
      }
      this.#room.add(facts.size);
      const entry: Entry = { name, facts, users: 0, inherited: true };
      this.#entries.set(name, entry);
      await this.#judge(entry);
    }
    this.#isOpen = true;
  }

  async #factsOf(name: string): Promise<SpoolFacts | undefined> {
    const reader = await this.#options.folder.read(name);
    if (!reader) return undefined;
    try {
      const facts = await readFacts(reader);
      return facts && nameOf(facts) === name ? facts : undefined;
    } finally {
      await reader.close();
    }
  }

  async #judge(entry: Entry): Promise<void> {
    const { state, isKnown } = this.#options;
    const { uploadId, path, identity } = entry.facts;
    const upload = await state.getUpload(uploadId);
    const file = await state.getFile(uploadId, path);
    const wanted = upload && upload.state !== "CANCELLED" && file && isWanted(file, entry.facts) && isKnown(identity);
    if (!wanted && entry.users === 0) await this.#remove(entry);
  }

  #add(entry: Entry): void {
    const old = this.#entries.get(entry.name);
    // Its file has just been replaced.
    if (old) this.#room.free(old.facts.size);
    this.#entries.delete(entry.name);
    this.#entries.set(entry.name, entry);
  }

  async #evict(): Promise<boolean> {
    for (const entry of this.#entries.values()) {
      if (entry.users > 0) continue;
      await this.#remove(entry);
      return true;
    }
    return false;
  }

  async #remove(entry: Entry): Promise<void> {
    if (this.#entries.get(entry.name) !== entry) return;
    this.#entries.delete(entry.name);
    // What cannot be removed now still takes its room on the disk, but a later run clears it away.
    await this.#options.folder.remove(entry.name).catch((error: unknown) => {
      emitWarning(this.#options.emit, reasonOf(error), entry.facts.uploadId);
    });
    this.#room.free(entry.facts.size);
  }
}

interface DraftOptions {
  readonly room: Room;
  readonly writer: Writer;
  readonly file: SpoolWriter;
  readonly signal: AbortSignal;
  readonly name: string;
  readonly onFinished: (facts: SpoolFacts) => void;
}

/** What an attempt writes into the spool. */
export class SpoolDraft {
  readonly #options: DraftOptions;

  constructor(options: DraftOptions) {
    this.#options = options;
  }

  /** @throws StepError `SPOOL_FULL` · BucketlineError `SPOOL_NOT_WRITABLE` · the signal's reason */
  async write(bytes: Uint8Array): Promise<void> {
    const { room, writer, file, signal } = this.#options;
    await room.take(writer, bytes.length, signal);
    await file.write(bytes);
  }

  /** Whole and durable, for `take`. */
  async finish(facts: SpoolFacts): Promise<void> {
    const { room, writer, file, name, onFinished } = this.#options;
    await file.write(encodeFacts(facts));
    await file.finish(name);
    onFinished(facts);
    room.leave(writer);
  }

  async discard(): Promise<void> {
    const { room, writer, file } = this.#options;
    await file.discard();
    room.free(writer.taken);
    room.leave(writer);
  }
}

/** One at a time for each file. */
function nameOf({ uploadId, path }: FileId): string {
  return createHash("sha256")
    .update(JSON.stringify([uploadId, path]))
    .digest("hex")
    .slice(0, 32);
}

/** Whether a later attempt may send it. */
function isWanted({ state, fingerprint, transfer }: FileRecord, facts: SpoolFacts): boolean {
  if (!isSame(fingerprint, facts.fingerprint)) return false;
  return state === "PENDING" || state === "IN_PROGRESS" || (state === "FAILED" && transfer !== null);
}

function isSame(one: string, other: string): boolean {
  return withoutDevice(one) === withoutDevice(other);
}

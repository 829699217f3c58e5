import { type ChangeResult, type Clock, type FilePlace, type RegisterOptions, SourceError } from "../src/index.ts";
import { MemoryFileSystem } from "../src/testing/index.ts";
import { Broken } from "./broken.ts";
import type { Plan } from "./plan.ts";

export const SOURCE = "/data";
const ARCHIVE = "/archive";
/** Where files lie that were sent, and what of a drop folder is still on its way. */
const SENT = [ARCHIVE, `${SOURCE}/done`];
const UNSENT = { keep: [], delete: ["data/"], move: ["data/"], drop: ["data/incoming/", "data/working/"] } as const;

const OPTIONS: Readonly<Record<Plan["disposal"], Partial<RegisterOptions>>> = {
  keep: {},
  delete: { afterUpload: "delete" },
  move: { afterUpload: { moveTo: ARCHIVE } },
  drop: { drop: {} },
};

/** Of each two spans of this many milliseconds, files can be neither moved nor deleted in the first one. */
const STUCK_MS = 5_000;
const TROUBLES = ["EACCES", "ENOSPC", "EXDEV"] as const;

/** What the disk's model asks of bucket and ledger. */
interface Sent {
  /** The file that the path's object was made of. */
  object(path: string): string | undefined;
  isRecorded(path: string): boolean | Promise<boolean>;
}

/**
 * The disk of a world, and the model of where its files may be: whatever producers put there and left alone lies in exactly
 * one place, whole, or was deleted when the bucket had it and the ledger said so. Paths are as producers know them unless
 * they are said to be of the disk.
 */
export class SimDisk extends MemoryFileSystem {
  /** Set when the model saw a broken promise inside a call. */
  broken: Broken | undefined;
  readonly options: Partial<RegisterOptions>;
  readonly #disposal: Plan["disposal"];
  readonly #sent: Sent;
  /** By content, how many files of it there must be. */
  readonly #standing = new Map<string, number>();
  /** What producers put under each path last, and did not remove. */
  readonly latest = new Map<string, string>();
  #isProducing = false;
  /** Files that were moved or deleted because they were sent. */
  disposed = 0;
  /** Moves and deletions that failed. */
  refused = 0;
  /** Whether files cannot be moved or deleted now and then. */
  sticks: boolean;
  readonly #time: Pick<Clock, "monotonic">;

  constructor(
    clock: Pick<Clock, "now" | "monotonic">,
    { disposal, movesFail }: Pick<Plan, "disposal" | "movesFail">,
    sent: Sent,
  ) {
    super(clock, disposal === "keep" ? {} : { root: "/" });
    this.#time = clock;
    this.sticks = movesFail;
    this.#disposal = disposal;
    this.#sent = sent;
    this.options = OPTIONS[disposal];
  }

  get disposes(): boolean {
    return this.#disposal !== "keep";
  }

  /** Makes the folders that nobody but an operator makes. */
  async prepare(): Promise<void> {
    if (!this.disposes) return;
    const root = await this.openRoot("/");
    for (const folder of [SOURCE, ARCHIVE]) await this.makeFolder(root, folder.slice(1));
  }

  /** Where on the disk a producer puts a path. */
  at(path: string): string {
    return { keep: "", delete: "data/", move: "data/", drop: "data/incoming/" }[this.#disposal] + path;
  }

  /** What a producer does with a path. */
  produce(path: string, act: (at: string) => void): void {
    const at = this.at(path);
    const before = this.#text(at);
    this.#isProducing = true;
    act(at);
    this.#isProducing = false;
    const after = this.#text(at);
    if (before !== undefined) this.#count(before, -1);
    if (after !== undefined) this.#count(after, 1);
    if (after !== undefined) this.latest.set(path, after);
    else if (before !== undefined) this.latest.delete(path);
  }

  override remove(at: string): void {
    const content = this.#text(at);
    super.remove(at);
    if (this.#isProducing || content === undefined) return;
    if (this.#disposal !== "delete") this.broken ??= new Broken(`${at} was deleted`);
    this.#count(content, -1);
    this.#checkSent(at.slice(this.at("").length), content);
  }

  override async moveFile(from: FilePlace, to: FilePlace, fingerprint: string): Promise<ChangeResult> {
    this.#checkFree(from.path);
    const result = await super.moveFile(from, to, fingerprint);
    if (result === "done" && SENT.includes(to.root.path))
      this.#checkSent(from.path, this.#text(`${to.root.path.slice(1)}/${to.path}`));
    return result;
  }

  override async removeFile(place: FilePlace, fingerprint: string): Promise<ChangeResult> {
    this.#checkFree(place.path);
    return await super.removeFile(place, fingerprint);
  }

  #checkFree(path: string): void {
    const span = Math.floor(this.#time.monotonic() / STUCK_MS);
    if (!this.sticks || span % 2 === 1) return;
    this.refused++;
    const code = TROUBLES[(span / 2) % TROUBLES.length];
    throw new SourceError("SOURCE_NOT_DISPOSED", `${path} cannot be moved or deleted (${code}).`);
  }

  /** @throws Broken when a file is nowhere, in two places, or not whole */
  check(): void {
    if (this.broken) throw this.broken;
    const left = new Map(this.#standing);
    for (const at of this.paths) {
      const content = this.#text(at) ?? "";
      const count = left.get(content) ?? 0;
      if (count === 0) throw new Broken(`${at} holds ${JSON.stringify(content)}, which is there too often`);
      left.set(content, count - 1);
    }
    for (const [content, count] of left)
      if (count > 0) throw new Broken(`${count} file(s) with ${JSON.stringify(content)} are nowhere on the disk`);
  }

  /** Files that are not where sent files go, and paths of which the bucket does not hold the latest content. */
  behind(): string[] {
    const prefixes: readonly string[] = UNSENT[this.#disposal];
    const left = this.paths.filter((at) => prefixes.some((prefix) => at.startsWith(prefix)));
    const late = [...this.latest].filter(([path, content]) => this.#sent.object(path) !== content);
    return [...left, ...late.map(([path]) => path)];
  }

  #checkSent(path: string, content: string | undefined): void {
    this.disposed++;
    if (this.#sent.object(path) !== content)
      this.broken ??= new Broken(`${path} was taken away, and the bucket does not hold it`);
    // A ledger that answers later may know of the next version by then.
    if (this.#sent.isRecorded(path) === false)
      this.broken ??= new Broken(`${path} was taken away before it was recorded`);
  }

  #text(at: string): string | undefined {
    const bytes = this.content(at);
    return bytes && Buffer.from(bytes).toString("latin1");
  }

  #count(content: string, change: number): void {
    this.#standing.set(content, (this.#standing.get(content) ?? 0) + change);
  }
}

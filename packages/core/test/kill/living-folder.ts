import { mkdirSync, renameSync, statSync, truncateSync, unlinkSync, utimesSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { crc32 } from "node:zlib";
import type { Dice } from "../support/random.ts";
import type { Need } from "./failpoints.ts";
import { keyStream } from "./source.ts";

type Change = "create" | "grow" | "shrink" | "rewrite" | "replace" | "undo" | "delete";

interface Content {
  readonly bytes: Buffer;
  readonly mtimeNs: bigint;
}

interface LivingFile {
  readonly path: string;
  readonly kind: Kind;
  bytes: Buffer;
  /** What it was before its last alteration. */
  earlier?: Content;
  /** When it was last changed, by `performance.now()`. */
  touchedAt: number;
}

type Kind = "small" | "large";

const KIB = 1024;
/** Bytes, and how many files there are. A large file has three to eight parts. */
const KINDS = {
  small: { least: KIB, most: 8 * KIB, fewest: 6, many: 16 },
  large: { least: 130 * KIB, most: 500 * KIB, fewest: 2, many: 4 },
} as const;

/**
 * A file that was just changed rests for so long: two changes within one tick of the kernel's clock may leave the same
 * size and times behind, and no reader of a file system could tell them apart.
 */
const REST_MS = 100;

/** A folder in which files come, go and change in every way, as seeded dice say; it knows every content each ever had. */
export class LivingFolder {
  readonly path: string;
  /** What was done, in order. */
  readonly story: string[] = [];
  readonly #aside: string;
  readonly #dice: Dice;
  readonly #stream: (length: number) => Buffer;
  readonly #files = new Map<string, LivingFile>();
  readonly #gone: string[] = [];
  readonly #versions = new Map<string, Set<string>>();
  #count = 0;

  /** @param aside a folder on the same disk, where files are made that are renamed into this one */
  constructor(path: string, aside: string, dice: Dice) {
    this.path = path;
    this.#aside = join(aside, "next");
    this.#dice = dice;
    this.#stream = keyStream(`living folder ${dice.seed}`);
    for (const kind of ["small", "large"] as const)
      while (this.#all(kind).length < KINDS[kind].fewest) this.#create(kind, true);
  }

  /** Path and bytes of every file that is there. */
  get files(): readonly Pick<LivingFile, "path" | "bytes">[] {
    return [...this.#files.values()];
  }

  /** Whether the file ever had this content as a whole. */
  had(path: string, version: string): boolean {
    return this.#versions.get(path)?.has(version) ?? false;
  }

  /** Makes one change that fits the need. @param sending large files whose parts are on their way */
  provoke(need: Need, sending: ReadonlySet<string>): void {
    if (need === "new") return this.#create("small", true);
    if (need === "disturbed") {
      const victims = this.#rested("large").filter(({ path }) => sending.has(path));
      return victims.length > 0 ? this.#alter(this.#dice.pick(victims)) : this.#stir("large", sending);
    }
    if (need !== "calm") return this.#stir(need, sending);
    const files = this.#rested("small");
    if (files.length > 0) this.#alter(this.#dice.pick(files));
    else this.#create("small", true);
  }

  /** Makes any change to any file. */
  change(): void {
    this.#stir(this.#dice.chance(0.25) ? "large" : "small", new Set());
  }

  /** Puts the files that were altered last back to what they were before, times included, as from a backup. */
  undo(): void {
    const altered = [...this.#rested("small"), ...this.#rested("large")].filter(({ earlier }) => earlier);
    const latest = altered.sort((a, b) => b.touchedAt - a.touchedAt).slice(0, UNDONE);
    for (const file of latest) this.#replace(file, file.earlier as Content);
  }

  /** Creates, removes or alters a file of this kind; never one of those to spare. */
  #stir(kind: Kind, spare: ReadonlySet<string>): void {
    const { fewest, many } = KINDS[kind];
    const count = this.#all(kind).length;
    const files = this.#rested(kind).filter(({ path }) => !spare.has(path));
    if (count < fewest || (count < many && this.#dice.chance(0.2))) return this.#create(kind, false);
    if (files.length === 0) return;
    const file = this.#dice.pick(files);
    if (count >= many || (count > fewest && this.#dice.chance(0.15))) this.#delete(file);
    else this.#alter(file);
  }

  #all(kind: Kind): LivingFile[] {
    return [...this.#files.values()].filter((file) => file.kind === kind);
  }

  #rested(kind: Kind): LivingFile[] {
    const now = performance.now();
    return this.#all(kind).filter(({ touchedAt }) => now - touchedAt >= REST_MS);
  }

  /** @param fresh whether the path must be one that no file ever had */
  #create(kind: Kind, fresh: boolean): void {
    const { least, most, many } = KINDS[kind];
    const oldest = this.#rested(kind)[0];
    if (this.#all(kind).length >= many && oldest) this.#delete(oldest);
    const again = fresh || this.#dice.chance(0.5) ? undefined : this.#gone.find((path) => path.startsWith(kind));
    if (again !== undefined) this.#gone.splice(this.#gone.indexOf(again), 1);
    const number = again === undefined ? this.#count++ : 0;
    const path = again ?? `${kind}/${number % 7}/${String(number).padStart(6, "0")}.bin`;
    const file = { path, kind, bytes: Buffer.alloc(0), touchedAt: 0 };
    this.#files.set(path, file);
    this.#note(file, file.bytes, "create");
    mkdirSync(dirname(join(this.path, path)), { recursive: true });
    const bytes = this.#stream(this.#dice.int(least, most));
    this.#note(file, bytes, "create");
    writeFileSync(join(this.path, path), bytes);
    this.#age(join(this.path, path));
  }

  #delete(file: LivingFile): void {
    this.story.push(`delete ${file.path}`);
    this.#files.delete(file.path);
    this.#gone.push(file.path);
    unlinkSync(join(this.path, file.path));
  }

  #alter(file: LivingFile): void {
    const path = join(this.path, file.path);
    const { atimeNs, mtimeNs } = statSync(path, { bigint: true });
    const { least, most } = KINDS[file.kind];
    const { length } = file.bytes;
    file.earlier = { bytes: file.bytes, mtimeNs };
    const change = this.#dice.pick(ALTERATIONS);
    if (change === "grow" && length < most) {
      const more = this.#stream(this.#dice.int(1, most - length));
      this.#note(file, Buffer.concat([file.bytes, more]), change);
      writeFileSync(path, more, { flag: "a" });
    } else if (change === "shrink" && length > least) {
      this.#note(file, file.bytes.subarray(0, this.#dice.int(least, length - 1)), change);
      truncateSync(path, file.bytes.length);
    } else if (change === "replace") {
      this.#replace(file, undefined);
    } else {
      // Same size, and the modification time set back to what it was: only the change time and the bytes tell.
      this.#note(file, this.#stream(length), "rewrite");
      writeFileSync(path, file.bytes, { flag: "r+" });
      utimesSync(path, seconds(atimeNs), seconds(mtimeNs));
    }
    file.touchedAt = performance.now();
  }

  /** Renames another file over this one, with new content or that of before. */
  #replace(file: LivingFile, earlier: Content | undefined): void {
    const { least, most } = KINDS[file.kind];
    this.#note(file, earlier?.bytes ?? this.#stream(this.#dice.int(least, most)), earlier ? "undo" : "replace");
    writeFileSync(this.#aside, file.bytes);
    if (earlier) utimesSync(this.#aside, seconds(earlier.mtimeNs), seconds(earlier.mtimeNs));
    else this.#age(this.#aside);
    renameSync(this.#aside, join(this.path, file.path));
    file.touchedAt = performance.now();
  }

  /** Gives some files a time as a copy that keeps times has it: of a while ago, and one that `utimes` can set back exactly. */
  #age(path: string): void {
    if (!this.#dice.chance(0.5)) return;
    const then = Math.floor(Date.now() / 1000) - this.#dice.int(1, 1000);
    utimesSync(path, then, then);
  }

  /** The file is about to have these bytes. */
  #note(file: LivingFile, bytes: Buffer, change: Change): void {
    file.bytes = bytes;
    file.touchedAt = performance.now();
    const version = versionOf(bytes);
    const versions = this.#versions.get(file.path) ?? new Set();
    this.#versions.set(file.path, versions.add(version));
    this.story.push(`${change} ${file.path} ${version}`);
  }
}

/** How many files are put back at once. */
const UNDONE = 3;
const ALTERATIONS = ["grow", "shrink", "rewrite", "rewrite", "replace"] as const;

/** What is known of a content without its bytes: CRC32 in hexadecimal, and length. */
export function versionOf(bytes: Uint8Array): string {
  return `${crc32(bytes).toString(16).padStart(8, "0")}:${bytes.length}`;
}

/** Seconds as `utimes` takes them. A double keeps a present time to a quarter of a microsecond. */
function seconds(ns: bigint): number {
  return Number(ns) / 1e9;
}

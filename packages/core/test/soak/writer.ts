import {
  appendFileSync,
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { SeededRandom } from "../../sim/random.ts";

const MOST_FILES = 400;
const LARGEST = 300_000;
/** So many that a scan hands over to its thread. */
const STILL_FILES = 1_200;
/** Neighbours in path order whose names begin alike, and what S3, XML and terminals stumble over. */
const NAMES = ["a", "b b", "é", "c.d", "d1", "new\nline", "\ufffd", "\u{1f4e6}", "+&<%2F", "~"];
const FOLDERS = ["", "d1/", "d1/e/", "d1.x/", "d1-x/", "d2/", "d 3/", "d4/f/g/"];

type Change = (path: string) => void;

/** Does to a folder what people and programs do to it, at random and without a pause. */
export class Writer {
  readonly #root: string;
  readonly #random: SeededRandom;
  readonly #files = new Set<string>();
  readonly #growing = new Set<Promise<void>>();
  readonly counts = new Map<string, number>();
  /** Files that nobody touches. */
  readonly #still: string[] = [];
  #names = 0;
  #isAway = false;

  constructor(root: string, random: SeededRandom) {
    this.#root = root;
    this.#random = random;
  }

  get files(): readonly string[] {
    return [...this.#files];
  }

  /** @param until milliseconds since 1970 */
  async run(until: number): Promise<void> {
    this.#plantStill();
    while (Date.now() < until) {
      if (this.#random.chance(0.005)) await this.#goAway();
      this.#changeSomething();
      await sleep(this.#random.chance(0.9) ? this.#random.between(0, 40) : this.#random.between(100, 2_000));
    }
    await Promise.all(this.#growing);
  }

  #changeSomething(): void {
    const changes: readonly [string, number, Change][] = [
      ["overwritten", 15, (path) => writeFileSync(this.#at(path), this.#bytes())],
      ["replaced", 10, (path) => this.#replace(path)],
      ["appended", 10, (path) => appendFileSync(this.#at(path), this.#bytes(10_000))],
      ["truncated", 4, (path) => truncateSync(this.#at(path), this.#random.between(0, statSync(this.#at(path)).size))],
      ["touched", 4, (path) => utimesSync(this.#at(path), new Date(), new Date(Date.now() - 1_000_000))],
      ["rewritten with its old time", 4, (path) => this.#rewriteKeepingTime(path)],
      ["given other permissions", 2, (path) => chmodSync(this.#at(path), this.#random.chance(0.5) ? 0o644 : 0o600)],
      ["renamed", 10, (path) => this.#rename(path)],
      ["renamed with its folder", 2, (path) => this.#renameFolder(dirname(path))],
      ["deleted", 12, (path) => this.#delete(path)],
      ["deleted with its folder", 1, (path) => this.#deleteFolder(dirname(path))],
      ["exchanged", 4, (path) => this.#exchange(path, this.#pick(this.files))],
      ["replaced by a folder", 2, (path) => this.#turnIntoFolder(path)],
      ["replaced by a file, as a folder", 2, (path) => this.#turnIntoFile(dirname(path))],
      ["linked", 2, (path) => this.#link(path)],
      ["left for tomorrow", 2, (path) => utimesSync(this.#at(path), new Date(), new Date(Date.now() + 86_400_000))],
      ["joined by what is no file", 2, (path) => this.#plantOthers(dirname(path))],
    ];
    const files = this.files;
    if (files.length < 20 || (files.length < MOST_FILES && this.#random.chance(0.3))) return this.#create();
    const weighted = changes.flatMap((change) => Array.from({ length: change[1] }, () => change));
    const [name, , change] = this.#pick(weighted);
    change(this.#pick(files));
    this.#count(name);
  }

  #create(): void {
    const path = this.#newPath();
    mkdirSync(dirname(this.#at(path)), { recursive: true });
    writeFileSync(this.#at(path), this.#random.chance(0.1) ? "" : this.#bytes());
    this.#files.add(path);
    this.#count("created");
    if (this.#random.chance(0.15)) this.#growSlowly(path);
  }

  /** As a program that writes a file over seconds, with pauses shorter and longer than the stability threshold. */
  #growSlowly(path: string): void {
    const grow = async () => {
      for (let left = this.#random.between(2, 8); left > 0; left--) {
        await sleep(this.#random.between(50, 1_500));
        if (!this.#isAway && this.#files.has(path)) appendFileSync(this.#at(path), this.#bytes(20_000));
      }
    };
    const growing = grow().finally(() => this.#growing.delete(growing));
    this.#growing.add(growing);
    this.#count("grown slowly");
  }

  #plantStill(): void {
    for (let index = 0; index < STILL_FILES; index++) {
      const path = `still/${index % 7}/${index}`;
      mkdirSync(dirname(this.#at(path)), { recursive: true });
      writeFileSync(this.#at(path), `${index}`);
      this.#still.push(path);
    }
  }

  /** As a disk that is unmounted and mounted again: its mount point has the same folders, and nothing in them. */
  async #goAway(): Promise<void> {
    const [away, empty] = [`${this.#root}.away`, `${this.#root}.empty`];
    for (const path of [...this.#files, ...this.#still]) mkdirSync(dirname(join(empty, path)), { recursive: true });
    this.#isAway = true;
    renameSync(this.#root, away);
    if (this.#random.chance(0.5)) renameSync(empty, this.#root);
    await sleep(this.#random.between(1, 1_500));
    for (const path of [empty, this.#root]) rmSync(path, { recursive: true, force: true });
    renameSync(away, this.#root);
    this.#isAway = false;
    this.#count("times unmounted");
  }

  #exchange(path: string, other: string): void {
    if (path === other) return;
    const temporary = `${this.#root}.exchange`;
    renameSync(this.#at(path), temporary);
    renameSync(this.#at(other), this.#at(path));
    renameSync(temporary, this.#at(other));
  }

  #turnIntoFolder(path: string): void {
    this.#delete(path);
    mkdirSync(this.#at(path));
    writeFileSync(this.#at(`${path}/inner`), this.#bytes());
    this.#files.add(`${path}/inner`);
  }

  /** Only folders that nobody else wants to be there. */
  #turnIntoFile(folder: string): void {
    if (!/^moved-\d+$|\.bin$/.test(folder)) return;
    this.#deleteFolder(folder);
    writeFileSync(this.#at(folder), this.#bytes());
    this.#files.add(folder);
  }

  #link(path: string): void {
    const target = this.#newPath();
    mkdirSync(dirname(this.#at(target)), { recursive: true });
    linkSync(this.#at(path), this.#at(target));
    this.#files.add(target);
  }

  /** Names that are no UTF-8, and links, which no upload takes. */
  #plantOthers(folder: string): void {
    const name = `other-${++this.#names}`;
    symlinkSync(this.#random.pick([".", "/etc", "nowhere"]), this.#at(join(folder, name)));
    writeFileSync(Buffer.concat([Buffer.from(this.#at(join(folder, name))), Buffer.from([0xff])]), "");
  }

  #replace(path: string): void {
    const temporary = `${this.#root}.writing`;
    writeFileSync(temporary, this.#bytes());
    renameSync(temporary, this.#at(path));
  }

  #rewriteKeepingTime(path: string): void {
    const { atime, mtime, size } = statSync(this.#at(path));
    writeFileSync(this.#at(path), this.#bytes(size, size));
    utimesSync(this.#at(path), atime, mtime);
  }

  #rename(path: string): void {
    const target = this.#random.chance(0.3) ? this.#pick(this.files) : this.#newPath();
    if (target === path) return;
    mkdirSync(dirname(this.#at(target)), { recursive: true });
    renameSync(this.#at(path), this.#at(target));
    // Of two links to one file, a rename leaves both.
    rmSync(this.#at(path), { force: true });
    this.#files.delete(path);
    this.#files.add(target);
  }

  #renameFolder(folder: string): void {
    const target = `moved-${++this.#names}`;
    if (folder === "." || existsSync(this.#at(target))) return;
    renameSync(this.#at(folder), this.#at(target));
    for (const path of this.files) {
      if (!path.startsWith(`${folder}/`)) continue;
      this.#files.delete(path);
      this.#files.add(`${target}${path.slice(folder.length)}`);
    }
  }

  #delete(path: string): void {
    rmSync(this.#at(path));
    this.#files.delete(path);
  }

  #deleteFolder(folder: string): void {
    if (folder === ".") return;
    rmSync(this.#at(folder), { recursive: true });
    for (const path of this.files) if (path.startsWith(`${folder}/`)) this.#files.delete(path);
  }

  #newPath(): string {
    const name = `${this.#pick(NAMES)}-${++this.#names}.bin`;
    const folder = this.#pick(FOLDERS);
    return folder + name;
  }

  #bytes(most = LARGEST, least = 1): Buffer {
    const length = this.#random.chance(0.8)
      ? this.#random.between(least, Math.max(least, Math.min(most, 5_000)))
      : this.#random.between(least, most);
    return Buffer.alloc(length, `${this.#random.next()} `);
  }

  #at(path: string): string {
    return join(this.#root, path);
  }

  #pick<T>(choices: readonly T[]): T {
    return choices[this.#random.between(0, choices.length - 1)] as T;
  }

  #count(name: string): void {
    this.counts.set(name, (this.counts.get(name) ?? 0) + 1);
  }

  /** What the folder holds in the end. */
  contents(): Map<string, Buffer> {
    return new Map([...this.files, ...this.#still].map((path) => [path, readFileSync(this.#at(path))]));
  }
}

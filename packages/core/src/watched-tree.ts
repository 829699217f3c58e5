import { isInside } from "./confinement.ts";
import type { Reason } from "./errors.ts";
import { isRemote, isWithin, mountOf, parseMounts } from "./mount-table.ts";
import type { PathFilter } from "./patterns.ts";
import type { Clock } from "./ports/clock.ts";
import type { WatchEvent } from "./ports/folder-watcher.ts";
import { Wakeup } from "./wakeup.ts";
import { failureReason, type Trouble, troubles } from "./watch-trouble.ts";

export interface WatchHandle {
  close(): void;
  on(event: "error", listener: (error: Error) => void): unknown;
}

/** What a folder is, as far as watching goes. */
export interface FolderIdentity {
  readonly dev: number;
  readonly ino: number;
  /** A folder that is deleted and made again often has the same number. 0 where unknown. */
  readonly birthtimeMs: number;
}

/** What watching needs of the system. All calls block. */
export interface WatchLibrary {
  /** The system watches whole trees: one handle on the root is enough. */
  readonly recursive: boolean;
  /** Events that the system keeps for all handles together before it drops them. */
  readonly queueLimit: number;
  /** As `fs.watch` of `node:fs`. A name of null: events were lost. */
  watch(
    path: string,
    options: { readonly persistent: boolean; readonly recursive: boolean },
    listener: (event: string, name: string | null) => void,
  ): WatchHandle;
  /** undefined for anything but a folder, and for what is not there. Does not follow a link. */
  identify(path: string): FolderIdentity | undefined;
  /** Names of the folders in a folder; none when it cannot be read. */
  subfolders(path: string): string[];
  /** @throws when there is no such path */
  realPath(path: string): string;
  /** As `/proc/self/mountinfo`; empty where there is none. */
  mountTable(): string;
}

export interface WatchedTreeOptions {
  readonly root: string;
  readonly filter: PathFilter;
  /** As in `WatchOptions`. */
  readonly within?: readonly string[] | undefined;
  readonly library: WatchLibrary;
  readonly clock: Clock;
  readonly say: (event: WatchEvent) => void;
}

interface Folder {
  readonly name: string;
  readonly parent: Folder | undefined;
  readonly ino: number;
  readonly birthtimeMs: number;
  readonly handle: WatchHandle;
  /** Its handle is open. */
  isHeld: boolean;
  children: Map<string, Folder> | undefined;
}

/** What one `changed` stands for, and how long new changes wait for the next. Milliseconds. */
const WINDOW_MS = 50;
/** How often it is looked whether the root is still the same folder: an unmounted or moved one sends nothing. */
const CHECK_MS = 2_000;
/** Folders between two pauses of a walk, in which events are read. */
const SLICE = 256;
/** A walk that makes up for lost events may take this share of the time. */
const WALK_SHARE = 0.1;

/**
 * Watches one tree, folder by folder, and heals itself: it starts again when the root is back or there are watches to be
 * had. Changes are noted when they come and looked at once per window, by one loop. It holds one object per folder.
 */
export class WatchedTree {
  readonly #options: WatchedTreeOptions;
  readonly #ended = new AbortController();
  readonly #bell = new Wakeup();
  /** Names that something was said about, by folder. */
  #touched = new Map<Folder, Set<string>>();
  /** Names in `#touched`, and events without one. */
  #noted = 0;
  /** Events in this turn of the event loop. */
  #burst = 0;
  #lost = false;
  #broken: Trouble | undefined;
  #walkAgainAt = 0;
  #root: Folder | undefined;
  #path = "";
  #dev = 0;
  #remote: readonly string[] = [];
  #said: string | undefined;

  constructor(options: WatchedTreeOptions) {
    this.#options = options;
  }

  /** Resolves after `close`. Never rejects. */
  async run(): Promise<void> {
    const { signal } = this.#ended;
    while (!signal.aborted) {
      const trouble = await this.#live().catch((error: unknown) => troubles.of(error, this.#options.root));
      this.#release();
      if (signal.aborted) return;
      this.#degrade(trouble.reason);
      await this.#options.clock.sleep(trouble.retryAfter, signal).catch(() => {});
    }
  }

  close(): void {
    this.#ended.abort();
    this.#release();
  }

  /** @returns why it cannot go on @throws what a call of the system throws */
  async #live(): Promise<Trouble> {
    const root = this.#open();
    if ("reason" in root) return root;
    await this.#walk([root]);
    this.#readyUnlessPartial();
    while (!this.#ended.signal.aborted) {
      if (this.#noted === 0) await this.#bell.wait(this.#options.clock, CHECK_MS, this.#ended.signal);
      if (this.#broken) return this.#broken;
      if (!this.#stands()) return troubles.gone(this.#options.root);
      if (this.#noted > 0) await this.#attend();
      if (this.#lost) await this.#makeUp(root);
    }
    return troubles.gone(this.#options.root);
  }

  #open(): Folder | Trouble {
    const { root, library } = this.#options;
    const mounts = parseMounts(library.mountTable());
    // First by its name: to ask a dead server for the real path could take for ever.
    const named = mountOf(mounts, root);
    if (named && isRemote(named.type)) return troubles.remote(root, named.type);
    this.#path = library.realPath(root);
    if (!this.#isAllowed()) return troubles.gone(root);
    const mount = mountOf(mounts, this.#path);
    if (mount && isRemote(mount.type)) return troubles.remote(root, mount.type);
    const inside = mounts.filter(({ path, type }) => isRemote(type) && isWithin(path, this.#path));
    this.#remote = inside.map(({ path }) => path);
    const identity = library.identify(this.#path);
    if (!identity) return troubles.gone(root);
    this.#dev = identity.dev;
    this.#root = this.#take(undefined, "", identity);
    return this.#root;
  }

  #isAllowed(): boolean {
    const { within, library } = this.#options;
    const holds = (folder: string) => {
      try {
        return isInside(this.#path, library.realPath(folder));
      } catch {
        return false;
      }
    };
    return within === undefined || within.some(holds);
  }

  #readyUnlessPartial(): void {
    const [first] = this.#remote;
    if (first !== undefined) return this.#degrade(troubles.remote(first, "a remote file system").reason);
    this.#said = undefined;
    this.#options.say({ type: "ready" });
  }

  #degrade(reason: Reason): void {
    if (this.#said === reason.message) return;
    this.#said = reason.message;
    this.#options.say({ type: "degraded", reason });
  }

  #stands(): boolean {
    const { library, root } = this.#options;
    // A link may lead elsewhere by now, that to a folder it must lie in, too.
    if (library.realPath(root) !== this.#path || !this.#isAllowed()) return false;
    const now = library.identify(this.#path);
    return now !== undefined && now.dev === this.#dev && isSame(this.#root, now);
  }

  /** Tells of what has changed, and looks at it. What comes meanwhile waits for the next window. */
  async #attend(): Promise<void> {
    const { say, clock } = this.#options;
    const touched = this.#touched;
    this.#touched = new Map();
    this.#noted = 0;
    say({ type: "changed" });
    const found = this.#look(touched);
    if (found.length > 0) {
      await this.#walk(found);
      // What was put into a new folder before it was watched.
      if (!this.#ended.signal.aborted) say({ type: "changed" });
    }
    await clock.sleep(WINDOW_MS, this.#ended.signal).catch(() => {});
  }

  /** New folders may have been missed with the events that were lost: then the whole tree is compared. */
  async #makeUp(root: Folder): Promise<void> {
    const { clock, say } = this.#options;
    this.#degrade(troubles.lost(this.#options.root).reason);
    const begun = clock.monotonic();
    if (begun < this.#walkAgainAt) return;
    this.#lost = false;
    await this.#walk([root], true);
    const now = clock.monotonic();
    this.#walkAgainAt = now + (now - begun) / WALK_SHARE;
    if (this.#ended.signal.aborted || this.#lost) return;
    this.#readyUnlessPartial();
    say({ type: "changed" });
  }

  #note(folder: Folder, name: string | null): void {
    const { queueLimit, recursive } = this.#options.library;
    this.#countBurst();
    if (name === null || this.#noted >= queueLimit) this.#lost = true;
    else if (!recursive) this.#touch(folder, name);
    if (this.#noted++ === 0) this.#bell.ring();
  }

  #touch(folder: Folder, name: string): void {
    const names = this.#touched.get(folder);
    if (names) names.add(name);
    else this.#touched.set(folder, new Set([name]));
  }

  /**
   * The system does not tell that its queue was full, but a full queue is handed over in one turn. Some of what is in it
   * is not passed on to us, hence the half.
   */
  #countBurst(): void {
    const { library, clock } = this.#options;
    if (++this.#burst > 1) return;
    const judge = () => {
      if (this.#burst >= library.queueLimit / 2) {
        this.#lost = true;
        this.#bell.ring();
      }
      this.#burst = 0;
    };
    clock.sleep(1, this.#ended.signal).then(judge, () => {});
  }

  /** @returns folders that are new, or not those they were */
  #look(touched: Map<Folder, Set<string>>): Folder[] {
    const found: Folder[] = [];
    for (const [folder, names] of touched) {
      if (!folder.isHeld) continue;
      for (const name of names) {
        const known = folder.children?.get(name);
        const child = this.#adopt(folder, name);
        if (child && child !== known) found.push(child);
      }
    }
    return found;
  }

  /** Watches everything below some folders. @param again also looks below folders that are known */
  async #walk(folders: readonly Folder[], again = false): Promise<void> {
    if (this.#options.library.recursive) return;
    const left = [...folders];
    let seen = 0;
    for (let folder = left.pop(); folder; folder = left.pop()) {
      if (++seen % SLICE === 0) await this.#options.clock.sleep(1, this.#ended.signal).catch(() => {});
      if (this.#ended.signal.aborted) return;
      const names = this.#options.library.subfolders(this.#pathOf(folder));
      if (again) this.#forgetOthers(folder, names);
      for (const name of names) {
        const known = folder.children?.get(name);
        const child = this.#adopt(folder, name);
        if (child && (again || child !== known)) left.push(child);
      }
    }
  }

  #forgetOthers(folder: Folder, names: readonly string[]): void {
    const there = new Set(names);
    for (const [name, child] of folder.children ?? []) if (!there.has(name)) this.#drop(child);
  }

  /** @returns the folder of that name, watched; undefined when there is none to be watched */
  #adopt(parent: Folder, name: string): Folder | undefined {
    const path = join(this.#pathOf(parent), name);
    const known = parent.children?.get(name);
    const identity = this.#identify(path);
    if (identity && isSame(known, identity)) return known;
    if (known) this.#drop(known);
    if (!identity || this.#remote.includes(path)) return undefined;
    if (!this.#options.filter.descends(path.slice(join(this.#path, "").length))) return undefined;
    return this.#take(parent, name, identity, path);
  }

  #identify(path: string): FolderIdentity | undefined {
    try {
      return this.#options.library.identify(path);
    } catch (error) {
      if (isOnlyThisFolder(error)) return undefined;
      throw error;
    }
  }

  #take(parent: undefined, name: string, identity: FolderIdentity): Folder;
  #take(parent: Folder, name: string, identity: FolderIdentity, path: string): Folder | undefined;
  #take(parent: Folder | undefined, name: string, identity: FolderIdentity, path = this.#path): Folder | undefined {
    const { library } = this.#options;
    const { recursive } = library;
    const { ino, birthtimeMs } = identity;
    try {
      const handle = library.watch(path, { persistent: false, recursive }, (_, changed) => this.#note(folder, changed));
      handle.on("error", this.#onError);
      const folder: Folder = { name, parent, ino, birthtimeMs, handle, isHeld: true, children: undefined };
      if (parent) {
        parent.children ??= new Map();
        parent.children.set(name, folder);
      }
      return folder;
    } catch (error) {
      if (parent && isOnlyThisFolder(error)) return undefined;
      throw error;
    }
  }

  readonly #onError = (error: Error) => {
    this.#broken = { reason: failureReason(error, this.#options.root), retryAfter: CHECK_MS };
    this.#bell.ring();
  };

  #pathOf(folder: Folder): string {
    return folder.parent ? join(this.#pathOf(folder.parent), folder.name) : this.#path;
  }

  #drop(folder: Folder): void {
    folder.parent?.children?.delete(folder.name);
    const left = [folder];
    for (let next = left.pop(); next; next = left.pop()) {
      next.isHeld = false;
      next.handle.close();
      if (next.children) left.push(...next.children.values());
    }
  }

  #release(): void {
    if (this.#root) this.#drop(this.#root);
    this.#root = undefined;
    this.#touched = new Map();
    this.#noted = 0;
    this.#lost = false;
    this.#broken = undefined;
  }
}

const GONE_OR_CLOSED = new Set(["ENOENT", "ENOTDIR", "EACCES", "EPERM", "ELOOP", "ENAMETOOLONG"]);

/** A folder that is gone already, or that may not be read, is no reason to give up the others. */
function isOnlyThisFolder(error: unknown): boolean {
  return GONE_OR_CLOSED.has((error as NodeJS.ErrnoException).code ?? "");
}

function isSame(folder: Folder | undefined, { ino, birthtimeMs }: FolderIdentity): boolean {
  return folder?.ino === ino && folder.birthtimeMs === birthtimeMs;
}

function join(folder: string, name: string): string {
  return folder.endsWith("/") ? folder + name : `${folder}/${name}`;
}

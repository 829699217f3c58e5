import { StateStoreError } from "@bucketline/core";
import type { MemoryState, RecordWrite } from "@bucketline/core/memory";
import type { Disk, DiskFile } from "../src/disk.ts";
import { Names } from "../src/names.ts";
import { fileToJson, RecordReader } from "../src/records.ts";
import { type Fence, SavedState } from "../src/saved-state.ts";
import { aFile, aNotice, anUpload } from "./folder.ts";

export const NAMES = new Names("uploads.json");

interface Inode {
  readonly identity: string;
  bytes: Buffer;
  /** So many bytes survive a power cut. */
  synced: number;
}

/** A folder in memory that knows what of it would survive a power cut. Several processes may work in it, each through a disk. */
export class Machine {
  files = new Map<string, Inode>();
  #durable = new Map<string, Inode>();
  #made = 0;

  make(name: string, bytes: Uint8Array = Buffer.alloc(0)): Inode {
    const inode = { identity: String(++this.#made), bytes: Buffer.from(bytes), synced: bytes.length };
    this.files.set(name, inode);
    return inode;
  }

  sync(): void {
    this.#durable = new Map(this.files);
  }

  /** What is there after the death of every process. */
  afterKill(): Machine {
    return Machine.of([...this.files].map(([name, { bytes }]) => [name, bytes]));
  }

  /**
   * What may be there after a power cut: of each name what was synced or what came after, of each file what was synced
   * and a part of the rest, some sectors of it zero.
   */
  afterPowerCut(random: () => number): Machine {
    const names = new Set([...this.files.keys(), ...this.#durable.keys()]);
    const left: [string, Buffer][] = [];
    for (const name of names) {
      const inode = (random() < 0.5 ? this.files : this.#durable).get(name);
      if (inode === undefined) continue;
      const bytes = Buffer.from(
        inode.bytes.subarray(0, inode.synced + Math.round(random() * (inode.bytes.length - inode.synced))),
      );
      for (let at = inode.synced; at < bytes.length; at += 64)
        if (random() < 0.3) bytes.fill(0, at, Math.min(at + 64, bytes.length));
      left.push([name, bytes]);
    }
    return Machine.of(left);
  }

  static of(files: Iterable<readonly [name: string, bytes: Uint8Array]>): Machine {
    const machine = new Machine();
    for (const [name, bytes] of files) machine.make(name, bytes);
    machine.sync();
    return machine;
  }
}

/** What a process that has been killed gets for its calls. */
export class Killed extends Error {}

/** Called before each operation that changes something, with its number from 1. Throws to make it fail. */
export type Hook = (operation: number) => void | Promise<void>;

export class MachineDisk implements Disk {
  operations = 0;
  readonly #machine: Machine;
  readonly #hook: Hook;

  constructor(machine: Machine, hook: Hook = () => {}) {
    this.#machine = machine;
    this.#hook = hook;
  }

  async names(): Promise<string[]> {
    return [...this.#machine.files.keys()];
  }

  async *read(name: string): AsyncIterable<Uint8Array> {
    const inode = this.#machine.files.get(name);
    if (inode === undefined) throw systemError("ENOENT", "open");
    for (let at = 0; at < inode.bytes.length; at += 700) yield inode.bytes.subarray(at, at + 700);
  }

  async create(name: string): Promise<DiskFile> {
    await this.#step();
    if (this.#machine.files.has(name)) throw systemError("EEXIST", "open");
    const inode = this.#machine.make(name);
    return {
      identity: inode.identity,
      append: async (bytes) => {
        const half = bytes.subarray(0, bytes.length / 2);
        try {
          await this.#step();
        } catch (error) {
          inode.bytes = Buffer.concat([inode.bytes, half]);
          throw error;
        }
        inode.bytes = Buffer.concat([inode.bytes, bytes]);
      },
      sync: async () => {
        await this.#step();
        inode.synced = inode.bytes.length;
      },
      close: async () => {},
    };
  }

  async rename(from: string, to: string): Promise<void> {
    await this.#step();
    const inode = this.#machine.files.get(from);
    if (inode === undefined) throw systemError("ENOENT", "rename");
    this.#machine.files.delete(from);
    this.#machine.files.set(to, inode);
  }

  async remove(name: string): Promise<void> {
    await this.#step();
    this.#machine.files.delete(name);
  }

  async sync(): Promise<void> {
    await this.#step();
    this.#machine.sync();
  }

  identity(name: string): string | undefined {
    return this.#machine.files.get(name)?.identity;
  }

  async #step(): Promise<void> {
    this.operations += 1;
    await this.#hook(this.operations);
  }
}

export function systemError(code: string, syscall: string): Error {
  return Object.assign(new Error(`${code}: made to fail, ${syscall}`), { code, syscall });
}

/** Hands the right to write from owner to owner. */
export class Succession {
  #current: number;

  /** @param used generations up to this one have been used */
  constructor(used = 0) {
    this.#current = used;
  }

  next(): Fence {
    const generation = ++this.#current;
    const check = () => {
      if (generation !== this.#current) throw new StateStoreError("STATE_BUSY", "taken over");
    };
    return { generation, check };
  }
}

/** An owner at work, and what it knows. */
export class Owner {
  readonly saved: SavedState;
  readonly state: MemoryState;
  #written = 0;

  private constructor(saved: SavedState, state: MemoryState) {
    this.saved = saved;
    this.state = state;
  }

  static async open(disk: Disk, fence: Fence): Promise<Owner> {
    const { saved, state } = await SavedState.open(disk, NAMES, fence);
    return new Owner(saved, state);
  }

  async write(writes: readonly RecordWrite[]): Promise<void> {
    await this.saved.append(writes);
    for (const write of writes) this.state.apply(write);
  }

  /** Some groups of writes: an upload when there is none, files that come and change, parts, notices that come and go. */
  next(label: string): RecordWrite[] {
    const n = this.#written++;
    const upload = this.state.uploads.has("u") ? [] : [{ upload: anUpload() }];
    const transfer = {
      token: `${label}${n}`,
      key: "k",
      fingerprint: "f",
      partSize: 1,
      multipartId: null,
      startedAt: n,
    };
    const parts = [{ partNumber: n + 1, size: 1, etag: label, checksum: "crc32:00c0ffee" }] as const;
    const known = this.state.files.get("u")?.get(`f${n % 3}`);
    const revision = (known?.revision ?? 0) + 1;
    const history = n % 2 === 0 ? [] : [{ at: n, what: "rescue", attempt: 1, reason: null } as const];
    const [first] = this.state.notices.list({ limit: 1 });
    return [
      ...upload,
      { file: aFile(`f${n % 3}`, { revision, history, transfer: n % 4 === 3 ? null : transfer, owner: label }), parts },
      { file: aFile(`${label}${n}`, { size: n }) },
      { notice: aNotice(`${n % 5}`, { revision, state: n % 3 === 0 ? "DEAD" : "DUE", nextAttemptAt: n }) },
      ...(first && n % 2 === 1 ? [{ removedNotice: first.id }] : []),
    ];
  }
}

/** Everything a state holds, to be compared. */
export function dump(state: MemoryState): string {
  const uploads = [...state.uploads.values()].map((upload) => ({
    upload,
    counters: state.filesOf(upload.id).counters(),
    files: [...state.filesOf(upload.id).after(undefined)].map((file) =>
      fileToJson(file, state.filesOf(upload.id).parts(file.path)),
    ),
  }));
  const notices = state.notices.list({ limit: Number.POSITIVE_INFINITY });
  const next = state.notices.next("s");
  return JSON.stringify({ uploads, notices, next });
}

/** What `state` would be with these writes, too. */
export function dumpWith(state: MemoryState, writes: readonly RecordWrite[], empty: MemoryState): string {
  const reader = new RecordReader();
  for (const upload of state.uploads.values()) {
    empty.apply(reader.upload(upload));
    const files = state.filesOf(upload.id);
    for (const file of files.after(undefined)) empty.apply({ file, parts: files.parts(file.path) });
  }
  for (const notice of state.notices.list({ limit: Number.POSITIVE_INFINITY })) empty.apply({ notice });
  for (const write of writes) empty.apply(write);
  return dump(empty);
}

/** Numbers in [0, 1) from a seed: Park and Miller's generator. */
export function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 48_271) % 2_147_483_647;
    return state / 2_147_483_647;
  };
}

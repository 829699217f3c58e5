import type { SpoolFolder, SpoolReader, SpoolWriter } from "../ports/spool-folder.ts";

interface Run {
  readonly files: Map<string, Uint8Array>;
  /** Whether its process lives. */
  readonly isAlive: () => boolean;
}

/** The spools of one host, in memory: what its runs have written outlives them. */
export class MemorySpools {
  readonly #runs = new Set<Run>();

  /** Bytes of all finished files, whoever has written them. */
  get files(): readonly Uint8Array[] {
    return [...this.#runs].flatMap(({ files }) => [...files.values()]);
  }

  /**
   * A place for one run of a service.
   * @param isAlive false once its process was killed: others may take over what it has left
   */
  folder(isAlive: () => boolean = () => true): SpoolFolder {
    let open = false;
    const run: Run = { files: new Map(), isAlive: () => open && isAlive() };
    const later = async <T>(work: () => T): Promise<T> => {
      await Promise.resolve();
      return work();
    };
    return {
      open: () =>
        later(() => {
          open = true;
          this.#runs.add(run);
          return this.#takeOver(run);
        }),
      create: () => later(() => writer((name, bytes) => void run.files.set(name, bytes))),
      read: (name) => later(() => readerOf(run.files.get(name))),
      remove: (name) => later(() => void run.files.delete(name)),
      close: () =>
        later(() => {
          open = false;
        }),
    };
  }

  #takeOver(own: Run): string[] {
    const names: string[] = [];
    for (const run of this.#runs) {
      if (run === own || run.isAlive()) continue;
      this.#runs.delete(run);
      for (const [name, bytes] of run.files) {
        if (own.files.has(name)) continue;
        own.files.set(name, bytes);
        names.push(name);
      }
      // A dead process that moves on finds nothing of its own any more.
      run.files.clear();
    }
    return names;
  }
}

function writer(keep: (name: string, bytes: Uint8Array) => void): SpoolWriter {
  const chunks: Uint8Array[] = [];
  return {
    async write(bytes) {
      await Promise.resolve();
      chunks.push(Uint8Array.from(bytes));
    },
    async finish(name) {
      await Promise.resolve();
      keep(name, Buffer.concat(chunks));
    },
    async discard() {
      await Promise.resolve();
      chunks.length = 0;
    },
  };
}

function readerOf(bytes: Uint8Array | undefined): SpoolReader | undefined {
  return (
    bytes && {
      size: bytes.length,
      async read(target, position) {
        await Promise.resolve();
        const piece = bytes.subarray(position, position + target.length);
        target.set(piece);
        return piece.length;
      },
      async close() {},
    }
  );
}

import {
  type ErrorCode,
  type FileChange,
  type FileRecord,
  NOTICE_EVENTS,
  type Notice,
  type StateStore,
  type UploadRecord,
} from "../src/index.ts";
import { Broken } from "./broken.ts";

/** The only subscriber. */
export const SUBSCRIBER = "sim";

type Write = Pick<FileChange, "before" | "after">;

/**
 * Sees what becomes of every write below whatever kills or deceives the processes, and knows from it which notices there
 * must be: each exactly once, in the ledger or in the receiver's hands.
 */
export class NoticeModel {
  /** By path and revision: what was applied. */
  readonly #files = new Map<string, Map<number, Write>>();
  /** By revision: the events of what was applied. */
  readonly #uploads = new Map<number, string>();
  readonly #delivered = new Map<string, Notice>();
  /** Ids of notices that may have been recorded: nobody was told. */
  readonly #doubtful = new Set<string>();
  readonly #doubtfulPaths = new Set<string>();

  /** The same store, watched. */
  watched(store: StateStore): StateStore {
    const methods: Partial<StateStore> = {
      commit: async (changes) => {
        const outcomes = await this.#unlessUnanswered(changes, () => store.commit(changes));
        for (const [index, change] of changes.entries()) if (outcomes[index] === "applied") this.#sawFile(change);
        return outcomes;
      },
      updateUpload: async (before, after, notices = []) => {
        const apply = () => store.updateUpload(before, after, notices);
        const isApplied = await this.#unlessUnanswered([{ notices }], apply);
        if (isApplied) this.#sawUpload(before, after);
        return isApplied;
      },
    };
    return new Proxy(store, {
      get: (_, name) => {
        if (name in methods) return Reflect.get(methods, name);
        const value: unknown = Reflect.get(store, name, store);
        return typeof value === "function" ? value.bind(store) : value;
      },
    });
  }

  /** The receiver has it: once, or again. */
  receive(notice: Notice): void {
    this.#delivered.set(notice.id, notice);
  }

  /** @throws Broken when one is missing, or nothing was its cause */
  check(kept: readonly Notice[]): void {
    const found = [...new Map([...this.#delivered, ...kept.map((notice) => [notice.id, notice] as const)]).values()];
    const stranger = found.find(({ subscriber }) => subscriber !== SUBSCRIBER);
    if (stranger) throw new Broken(`notice ${stranger.id} is for ${stranger.subscriber}`);
    const left = found.map((notice) => ({ notice, what: whatOf(notice) }));
    for (const { what, path } of this.#expected()) {
      const index = left.findIndex((other) => other.what === what);
      if (index >= 0) left.splice(index, 1);
      else if (!this.#doubtfulPaths.has(path)) throw new Broken(`nobody is told: ${what}`);
    }
    const idle = left.find(({ notice }) => !this.#doubtful.has(notice.id));
    if (idle && this.#doubtfulPaths.size === 0) throw new Broken(`told without cause: ${idle.what}`);
  }

  *#expected(): Iterable<{ readonly what: string; readonly path: string }> {
    for (const event of this.#uploads.values()) yield { what: event, path: "" };
    for (const [path, writes] of this.#files) {
      let told = new Set<ErrorCode | undefined>();
      for (const [, { before, after }] of [...writes].sort(([a], [b]) => a - b)) {
        if (isAnother(before, after)) told = new Set();
        const code = after.reason?.code;
        if (after.state !== "FAILED" || before?.state === "FAILED" || told.has(code)) continue;
        told.add(code);
        yield { what: `file:failed ${path} ${code}`, path };
      }
    }
  }

  async #unlessUnanswered<T>(changes: readonly Pick<FileChange, "notices">[], call: () => Promise<T>): Promise<T> {
    try {
      return await call();
    } catch (error) {
      for (const change of changes) {
        for (const { id } of change.notices ?? []) this.#doubtful.add(id);
        this.#doubtfulPaths.add("after" in change ? (change as FileChange).after.path : "");
      }
      throw error;
    }
  }

  #sawFile({ before, after }: FileChange): void {
    const writes = this.#files.get(after.path) ?? new Map<number, Write>();
    if (!writes.has(after.revision)) writes.set(after.revision, { before, after });
    this.#files.set(after.path, writes);
  }

  #sawUpload(before: UploadRecord, after: UploadRecord): void {
    const event = `upload:${after.state.toLowerCase()}`;
    if (before.state !== after.state && NOTICE_EVENTS.some((known) => known === event))
      this.#uploads.set(after.revision, event);
  }
}

function whatOf({ event, payload }: Notice): string {
  return "path" in payload ? `${event} ${payload.path} ${payload.reason.code}` : event;
}

/** What is on its way now is not what was before: it has changed, or what was in the bucket is void. */
function isAnother(before: FileRecord | null, after: FileRecord): boolean {
  if (after.state !== "PENDING" || before === null || before.state === "IN_PROGRESS") return false;
  return after.history.at(-1)?.what === "changed" || after.history.at(-1)?.what === "disproved";
}

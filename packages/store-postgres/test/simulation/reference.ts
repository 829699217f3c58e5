import { isDeepStrictEqual } from "node:util";
import { BucketlineError, type FileRecord, type StateStore } from "@bucketline/core";
import { type FakeClock, MemoryStateStore } from "@bucketline/core/testing";

/** What a call came to: its answer, or the code of its error. */
export type Outcome = { readonly answer: unknown } | { readonly code: string };

const NOT_ASKED: ReadonlySet<string> = new Set<keyof StateStore>(["open", "close"]);

/** The store in memory, asked the same in the same order: what it answers is right. */
export class Reference {
  readonly #store: MemoryStateStore;
  readonly #opened: Promise<void>;

  constructor(clock: FakeClock) {
    this.#store = new MemoryStateStore({ clock });
    this.#opened = this.#store.open();
  }

  /** @returns what is wrong with the outcome */
  async objection(method: string, args: readonly unknown[], outcome: Outcome): Promise<string | undefined> {
    if (NOT_ASKED.has(method) || ("code" in outcome && outcome.code === "STATE_CLOSED")) return undefined;
    await this.#opened;
    const call: unknown = Reflect.get(this.#store, method, this.#store);
    if (typeof call !== "function") return undefined;
    const right = await outcomeOf(() => Reflect.apply(call, this.#store, args));
    if (isDeepStrictEqual(comparable(method, outcome), comparable(method, right))) return undefined;
    return `${method} came to ${show(outcome)}, and to ${show(right)} in memory`;
  }
}

export async function outcomeOf(call: () => Promise<unknown>): Promise<Outcome> {
  try {
    return { answer: await call() };
  } catch (error) {
    return { code: error instanceof BucketlineError ? error.code : String(error) };
  }
}

/** The port leaves open which files are rescued first. */
function comparable(method: string, outcome: Outcome): Outcome {
  if (method !== "rescue" || "code" in outcome) return outcome;
  const files = [...(outcome.answer as FileRecord[])];
  return { answer: files.sort((a, b) => (a.path < b.path ? -1 : 1)) };
}

function show(outcome: Outcome): string {
  return JSON.stringify(outcome, (_, value: unknown) => (typeof value === "bigint" ? `${value}` : value));
}

import { type Assessor, isCompared, keyTaken } from "./assess.ts";
import type { Presence } from "./decide.ts";
import type { Reason } from "./errors.ts";
import { type FileRecord, type FileState, NEVER, type SourceFacts } from "./file.ts";
import type { Found, Meeting } from "./merge.ts";
import type { PlannedKeys } from "./planned-keys.ts";
import type { Clock } from "./ports/clock.ts";
import type { UploadRecord } from "./upload.ts";

export const PLAN_ACTIONS = [
  "upload",
  "replace",
  "compare",
  "unchanged",
  "skip",
  "delete",
  "remove",
  "settle",
  "failed",
  "unreadable",
] as const;

/**
 * What would become of a file.
 * `upload` it is sent · `replace` it is sent over the object of its older version · `compare` it is read, and sent only if
 * its bytes differ from its object's · `unchanged` nothing · `skip` it is not wanted, or cannot be sent; an object it has
 * stays · `delete` it is gone, and its object is deleted · `remove` it is gone, and an object it has stays · `settle` it is
 * in flight, or queued and not wanted or not there any more: a worker finds out · `failed` it stays FAILED until it
 * changes, its time has come (`notBefore`), or somebody retries it · `unreadable` nothing could be learned of this file,
 * or of what is in this folder (trailing slash).
 */
export type PlanAction = (typeof PLAN_ACTIONS)[number];

/**
 * Why. `new` the ledger does not know it · `changed` size, time or inode differ · `back` it was gone · `wanted` it was
 * skipped · `queued` it has not been sent yet · `retry` it failed, and is due again · `inFlight` it is being sent, or was
 * when its service died · `same` it is as it was · `unwanted` see `reason` · `gone` it is not in the folder · `unseen` it
 * may or may not be there · `failed` see `reason` · `unreadable` see `reason`.
 */
export type PlanCause =
  | "new"
  | "changed"
  | "back"
  | "wanted"
  | "queued"
  | "retry"
  | "inFlight"
  | "same"
  | "unwanted"
  | "gone"
  | "unseen"
  | "failed"
  | "unreadable";

/** One line of a plan. Plain JSON. */
export interface PlanItem {
  readonly action: PlanAction;
  readonly cause: PlanCause;
  /** Relative to the source folder, with "/". */
  readonly path: string;
  /** Of the object that is meant; null where there is none. */
  readonly key: string | null;
  /** Bytes: of the file; of the object where the file is gone; 0 where neither is known. */
  readonly size: number;
  /** Why it is skipped, has failed, or could not be read; null otherwise. */
  readonly reason: Reason | null;
  /** Milliseconds since 1970 before which it is not sent; null: at once, or not at all. */
  readonly notBefore: number | null;
}

/** An item, and what is needed to ask the bucket about it. */
export interface Foreseen {
  readonly item: PlanItem;
  /** What would be sent under a key at which the ledger knows no object. */
  readonly sent?: { readonly file: FileRecord; readonly fingerprint: string };
}

export interface ForecastOptions {
  readonly upload: UploadRecord;
  readonly assessor: Assessor;
  readonly keys: PlannedKeys;
  readonly clock: Pick<Clock, "now">;
}

const EXISTS: Reason = {
  code: "OBJECT_EXISTS",
  message: "An object has the key already, and overwriting is off (overwrite: never).",
};
const CAUSES: Readonly<Record<FileState, PlanCause>> = {
  PENDING: "changed",
  IN_PROGRESS: "inFlight",
  UPLOADED: "changed",
  FAILED: "changed",
  SKIPPED: "wanted",
  REMOVED: "back",
};

/** Says of each meeting of scan and ledger what would come of it. Meetings must come in path order, each once. */
export class Forecast {
  readonly #options: ForecastOptions;
  /** Files that stay UPLOADED. */
  unchanged = 0;
  /** Objects whose files are gone, or would be. */
  due = 0;

  constructor(options: ForecastOptions) {
    this.#options = options;
  }

  /** @returns undefined when there is nothing to say */
  async foresee(meeting: Meeting): Promise<Foreseen | undefined> {
    switch (meeting.kind) {
      case "found":
        return await this.#found(meeting.found, meeting.known);
      case "absent":
        return this.#absent(meeting.known);
      case "left":
        return this.#left(meeting.known);
      case "unreadable": {
        const { path, reason } = meeting;
        return said({ action: "unreadable", cause: "unreadable", path, reason });
      }
    }
  }

  async #found(found: Found, known: FileRecord | undefined): Promise<Foreseen> {
    const { path } = found;
    if (known?.state === "IN_PROGRESS") return settle(known, "inFlight");
    const sighting = await this.#admit(found, known);
    const size = found.kind === "file" ? found.facts.size : 0;
    if (!known) {
      const file = this.#options.assessor.firstRecord(path, sighting);
      this.#options.keys.move(path, "", file.key);
      if (sighting.kind === "skipped") return skip(path, size, sighting.reason);
      return this.#send(file, sighting.facts, "new");
    }
    return this.#known(known, sighting, size);
  }

  #known(known: FileRecord, sighting: Presence, size: number): Foreseen {
    const { path, state } = known;
    const action = this.#options.assessor.action(known, sighting);
    if (action?.type === "changed") {
      const { key, nextAttemptAt, facts } = action;
      this.#options.keys.move(path, known.key, key);
      return this.#send({ ...known, key, nextAttemptAt }, facts, CAUSES[state]);
    }
    if (action?.type === "skip") {
      this.#options.keys.move(path, known.key, "");
      return skip(path, size, action.reason);
    }
    if (sighting.kind === "skipped") {
      return state === "SKIPPED" ? skip(path, size, sighting.reason) : settle(known, "unwanted", sighting.reason);
    }
    return this.#same(known, sighting.facts);
  }

  /** A file that is as the ledger has it. */
  #same(known: FileRecord, facts: SourceFacts): Foreseen {
    const { path, key, state, reason, nextAttemptAt } = known;
    if (state === "PENDING") return this.#send(known, facts, "queued");
    if (state === "SKIPPED") return skip(path, facts.size, reason ?? EXISTS);
    if (state !== "FAILED") {
      this.unchanged++;
      return said({ action: "unchanged", cause: "same", path, key, size: facts.size });
    }
    if (this.#isDue(known)) return this.#send({ ...known, nextAttemptAt: 0 }, facts, "retry");
    const notBefore = this.#options.upload.spec.mode === "watch" && nextAttemptAt < NEVER ? nextAttemptAt : null;
    return said({ action: "failed", cause: "failed", path, key, size: facts.size, reason, notBefore });
  }

  /** @param file with the key that it would have, and the time from which it would be due */
  #send(file: FileRecord, facts: SourceFacts, cause: PlanCause): Foreseen {
    const { path, key, evidence, nextAttemptAt } = file;
    const { size, fingerprint } = facts;
    const { compare, overwrite } = this.#options.upload.spec;
    const notBefore = nextAttemptAt > this.#options.clock.now() ? nextAttemptAt : null;
    const item = { cause, path, key, size, notBefore };
    if (evidence?.key !== key) return { ...said({ ...item, action: "upload" }), sent: { file, fingerprint } };
    if (isCompared(evidence, key, facts, compare)) return said({ ...item, action: "compare" });
    // Our own older version is in the way as much as anybody else's object.
    return overwrite === "never" ? skip(path, size, EXISTS) : said({ ...item, action: "replace" });
  }

  /** Applies what only the upload knows: its filters, and the key the file would get. */
  async #admit(found: Found, known: FileRecord | undefined): Promise<Presence> {
    const { assessor, keys } = this.#options;
    if (found.kind === "skipped" || (known && assessor.isAdmitted(known, found.facts))) return found;
    const admission = assessor.admit(found.path, found.facts);
    if ("reason" in admission) return { kind: "skipped", reason: admission.reason };
    if (assessor.template.injective) return found;
    const holder = await keys.holder(admission.key);
    if (holder === undefined || holder === found.path) return found;
    return { kind: "skipped", reason: keyTaken(admission.key, holder) };
  }

  #absent(known: FileRecord): Foreseen | undefined {
    const { state, path, evidence } = known;
    if (state === "IN_PROGRESS") return settle(known, "inFlight");
    const action = this.#options.assessor.action(known, { kind: "absent" });
    if (state !== "REMOVED" && action?.type !== "remove") return settle(known, "gone");
    const deletes = evidence !== null && this.#options.upload.spec.onSourceDelete === "delete";
    if (deletes) this.due++;
    else if (state === "REMOVED") return undefined;
    this.#options.keys.move(path, known.key, "");
    const { key = null, size = 0 } = evidence ?? {};
    return said({ action: deletes ? "delete" : "remove", cause: "gone", path, key, size });
  }

  /** The scan leaves it as it is; work that is queued is done all the same. */
  #left(known: FileRecord): Foreseen | undefined {
    if (known.state === "IN_PROGRESS") return settle(known, "inFlight");
    return known.state === "PENDING" || (known.state === "FAILED" && this.#isDue(known))
      ? settle(known, "unseen")
      : undefined;
  }

  #isDue({ nextAttemptAt }: FileRecord): boolean {
    return this.#options.upload.spec.mode === "watch" && nextAttemptAt <= this.#options.clock.now();
  }
}

const NOTHING = { key: null, size: 0, reason: null, notBefore: null } as const;

function said(item: Pick<PlanItem, "action" | "cause" | "path"> & Partial<PlanItem>): Foreseen {
  return { item: { ...NOTHING, ...item } };
}

function skip(path: string, size: number, reason: Reason): Foreseen {
  return said({ action: "skip", cause: "unwanted", path, size, reason });
}

function settle({ path, key, size }: FileRecord, cause: PlanCause, reason: Reason | null = null): Foreseen {
  return said({ action: "settle", cause, path, key, size, reason });
}

/** The same item, once it is known that its key is taken by an object that the ledger does not know. */
export function onTakenKey(item: PlanItem, overwrite: UploadRecord["spec"]["overwrite"]): PlanItem {
  return overwrite === "never" ? skip(item.path, item.size, EXISTS).item : { ...item, action: "replace" };
}

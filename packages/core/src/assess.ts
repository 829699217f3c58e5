import { decide, type Presence, type Sighting } from "./decide.ts";
import type { Reason } from "./errors.ts";
import { type Evidence, type FileAction, type FileRecord, newFile, type SourceFacts } from "./file.ts";
import { filterReason } from "./filters.ts";
import { type KeyTemplate, keyProblem, keyTemplateOf } from "./keys.ts";
import type { Clock } from "./ports/clock.ts";
import { quietDelay, type StabilityPolicy } from "./stability.ts";
import type { UploadRecord, UploadSpec } from "./upload.ts";

export interface AssessorOptions {
  readonly upload: Pick<UploadRecord, "id" | "spec">;
  readonly clock: Pick<Clock, "now">;
  readonly stability: StabilityPolicy;
}

/** The key that a file would get, or why it gets none. */
export type Admission = { readonly key: string } | { readonly reason: Reason };

const NO_FACTS: SourceFacts = { size: 0, mtimeNs: 0n, fingerprint: "" };

export const EMPTIED: Reason = {
  code: "SOURCE_DOUBTFUL",
  message: "The source folder is empty although files are known. Nothing was changed; is its disk mounted?",
};
export const OTHER_DEVICE: Reason = {
  code: "SOURCE_DOUBTFUL",
  message:
    "The source folder is on another device than before and lacks files that are known. They were left as they are.",
};
const UNREAD: Reason = {
  code: "SOURCE_NOT_READABLE",
  message: "Not every folder could be read. No object is deleted before one scan has seen everything.",
};

/**
 * What an upload's own rules make of one file that a scan has come upon. Reads and writes nothing; whether another file
 * has the key already is for the caller to find out.
 */
export class Assessor {
  readonly template: KeyTemplate;
  readonly #options: AssessorOptions;

  constructor(options: AssessorOptions) {
    this.#options = options;
    this.template = keyTemplateOf(options.upload);
  }

  /** Whether these very facts were admitted before and still are. */
  isAdmitted(known: FileRecord, facts: SourceFacts): boolean {
    if (known.fingerprint !== facts.fingerprint) return false;
    // What arrived while it was wanted stays, however old it grows.
    if (known.state === "UPLOADED") return true;
    // A file that has its key needs no second look; SKIPPED and REMOVED ones have lost theirs.
    return known.key !== "" && this.#filterReason(facts) === undefined;
  }

  admit(path: string, facts: SourceFacts): Admission {
    const filtered = this.#filterReason(facts);
    if (filtered) return { reason: filtered };
    const key = this.template.key(path, facts.mtimeNs);
    const reason = keyProblem(key);
    return reason ? { reason } : { key };
  }

  /** What is to be done with a file that the ledger knows; undefined: nothing. */
  action(known: FileRecord, sighting: Sighting): FileAction | undefined {
    const decision = decide(known, sighting);
    if (decision === "changed" && sighting.kind === "file") {
      const { facts } = sighting;
      const key = this.template.key(known.path, facts.mtimeNs);
      return { type: "changed", facts, key, nextAttemptAt: this.#quietAt(facts, known.unstableSince) };
    }
    if (decision === "skip" && sighting.kind === "skipped") return { type: "skip", reason: sighting.reason };
    return decision === "requeue" || decision === "remove" ? { type: decision } : undefined;
  }

  /** The first record of a file. */
  firstRecord(path: string, sighting: Presence): FileRecord {
    const { upload, clock } = this.#options;
    const now = clock.now();
    if (sighting.kind === "skipped") {
      return newFile({ uploadId: upload.id, path, key: "", ...NO_FACTS, skip: sighting.reason }, now);
    }
    const { facts } = sighting;
    const key = this.template.key(path, facts.mtimeNs);
    return newFile({ uploadId: upload.id, path, key, ...facts, nextAttemptAt: this.#quietAt(facts, null) }, now);
  }

  #filterReason(facts: SourceFacts): Reason | undefined {
    return filterReason(this.#options.upload.spec, facts, this.#options.clock.now());
  }

  /** When the file will have been quiet for long enough; 0 when it has been. */
  #quietAt(facts: SourceFacts, unstableSince: number | null): number {
    const { clock, stability } = this.#options;
    const now = clock.now();
    const delay = quietDelay(facts, unstableSince, now, stability);
    return delay > 0 ? now + delay : 0;
  }
}

/** Why a file does not get the key. @param holder path of the file that has it */
export function keyTaken(key: string, holder: string): Reason {
  return { code: "KEY_COLLISION", message: `The key ${key} belongs to ${holder} already.` };
}

/** How a scan went, as far as it decides what absence proves. */
export interface ScanView {
  /** Every folder could be read. */
  readonly complete: boolean;
  readonly seen: number;
  readonly doubt: Reason | null;
  readonly sameDevice: boolean;
  readonly trusted: boolean;
}

/** Why no object may be deleted after such a scan; null: absence is proven. */
export function disbelief({ complete, seen, doubt, sameDevice, trusted }: ScanView): Reason | null {
  if (doubt) return doubt;
  if (!complete) return UNREAD;
  if (trusted) return null;
  if (seen === 0) return EMPTIED;
  return sameDevice ? null : OTHER_DEVICE;
}

/** Whether a file may hold the bytes that its object has, so that its checksum has to be compared before it is sent. */
export function isCompared(
  evidence: Evidence,
  key: string,
  facts: SourceFacts,
  compare: UploadSpec["compare"],
): boolean {
  if (evidence.key !== key || sourceSize(evidence.fingerprint) !== facts.size) return false;
  return compare === "hash" || contentStamp(evidence.fingerprint) === contentStamp(facts.fingerprint);
}

/** Bytes of the file itself; its object may hold more or fewer. */
function sourceSize(fingerprint: string): number {
  return Number(fingerprint.split(":")[2]);
}

/** Size and mtime, out of `dev:ino:size:mtimeNs:ctimeNs`. */
function contentStamp(fingerprint: string): string {
  return fingerprint.split(":").slice(2, 4).join(":");
}

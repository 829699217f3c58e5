import type { Reason } from "./errors.ts";
import { type FileRecord, type SourceFacts, withoutDevice } from "./file.ts";

/** What the scan says of one path. */
export type Sighting =
  | { readonly kind: "file"; readonly facts: SourceFacts }
  | { readonly kind: "skipped"; readonly reason: Reason }
  /** Not there, in a folder that was read. */
  | { readonly kind: "absent" };

/** What the scan says of a path at which there is something. */
export type Presence = Exclude<Sighting, { readonly kind: "absent" }>;

export type Decision = "nothing" | "changed" | "requeue" | "skip" | "remove";

/**
 * What a sighting does to a record of the ledger.
 *
 * | record                 | file, same        | file, other       | skipped            | absent                        |
 * |------------------------|-------------------|-------------------|--------------------|-------------------------------|
 * | PENDING                | nothing           | changed           | skip *             | requeue (the worker settles)  |
 * | IN_PROGRESS            | nothing (the worker sees what it opened; the next scan sees the rest)                 ||||
 * | UPLOADED               | nothing           | changed           | skip               | remove                        |
 * | FAILED                 | nothing           | changed           | skip *             | remove *                      |
 * | SKIPPED                | changed **        | changed           | nothing, or skip   | remove                        |
 * | REMOVED                | changed           | changed           | skip               | nothing                       |
 *
 * "Other" means another size, mtime, ctime or inode; the device number is left out, it may differ after a reboot.
 * A worker settles by checksum whether a file whose size and mtime are the same has to be sent again.
 * `*` requeue instead while a transfer is left behind: only a worker can abort it.
 * `**` nothing when it was skipped because its object exists: it would be sent in vain with every scan.
 */
export function decide(known: FileRecord, sighting: Sighting): Decision {
  if (known.state === "IN_PROGRESS") return "nothing";
  switch (sighting.kind) {
    case "file":
      return isTakenUpAgain(known) || differs(known, sighting.facts) ? "changed" : "nothing";
    case "skipped":
      if (known.transfer) return requeueOnce(known);
      return known.state === "SKIPPED" && known.reason?.code === sighting.reason.code ? "nothing" : "skip";
    case "absent":
      if (known.state === "REMOVED") return "nothing";
      return known.transfer || known.state === "PENDING" ? requeueOnce(known) : "remove";
  }
}

function isTakenUpAgain(known: FileRecord): boolean {
  return known.state === "REMOVED" || (known.state === "SKIPPED" && known.reason?.code !== "OBJECT_EXISTS");
}

/** A file that is due already needs no second write. */
function requeueOnce(known: FileRecord): Decision {
  return known.state === "PENDING" && known.nextAttemptAt === 0 ? "nothing" : "requeue";
}

function differs(known: FileRecord, facts: SourceFacts): boolean {
  return (
    known.fingerprint !== facts.fingerprint && withoutDevice(known.fingerprint) !== withoutDevice(facts.fingerprint)
  );
}

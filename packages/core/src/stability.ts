import type { SourceFacts } from "./file.ts";
import type { UploadSpec } from "./upload.ts";

/** When a file may be sent. Durations in milliseconds. */
export interface StabilityPolicy {
  /** How long it must have been left alone. */
  readonly threshold: number;
  /** After so long without a quiet moment it is tried all the same; null: never. */
  readonly maxUnstableAge: number | null;
  /** It was quiet when it was taken in, which moved its change time: only its modification counts. */
  readonly isTakenIn?: boolean;
}

/** A watched folder is written by others, so its files must be quiet first; `once` takes them as they are. */
export function stabilityPolicy(
  spec: Pick<UploadSpec, "mode" | "maxUnstableAge"> & Partial<Pick<UploadSpec, "drop">>,
  stabilityThreshold: number,
): StabilityPolicy {
  const threshold = spec.mode === "watch" ? stabilityThreshold : 0;
  return { threshold, maxUnstableAge: spec.maxUnstableAge, ...(spec.drop && { isTakenIn: true }) };
}

/**
 * How long a file must still be left alone until it may be sent.
 * @param unstableSince as in `FileRecord`
 * @param now milliseconds since 1970
 */
export function quietDelay(
  facts: SourceFacts,
  unstableSince: number | null,
  now: number,
  { threshold, maxUnstableAge, isTakenIn = false }: StabilityPolicy,
): number {
  if (maxUnstableAge !== null && unstableSince !== null && now - unstableSince >= maxUnstableAge) return 0;
  // What lies in the future was so when it was taken in.
  if (isTakenIn) return now < Number(facts.mtimeNs / 1_000_000n) ? 0 : remaining(facts.mtimeNs, now, threshold);
  return Math.max(remaining(facts.mtimeNs, now, threshold), remaining(changeTime(facts), now, threshold));
}

/** A time in the future says nothing, so the whole threshold is waited. */
function remaining(timeNs: bigint, now: number, threshold: number): number {
  const age = now - Number(timeNs / 1_000_000n);
  return age < 0 ? threshold : Math.max(0, threshold - age);
}

/** Programs that copy set the modification time back while they still write; the change time only the system sets. */
function changeTime({ fingerprint }: SourceFacts): bigint {
  return BigInt(fingerprint.slice(fingerprint.lastIndexOf(":") + 1) || 0);
}

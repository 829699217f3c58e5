import type { SourceFacts } from "./file.ts";
import type { UploadSpec } from "./upload.ts";

/** When a file may be sent. Durations in milliseconds. */
export interface StabilityPolicy {
  /** How long it must have been left alone. */
  readonly threshold: number;
  /** After so long without a quiet moment it is tried all the same; null: never. */
  readonly maxUnstableAge: number | null;
}

/** A watched folder is written by others, so its files must be quiet first; `once` takes them as they are. */
export function stabilityPolicy(
  spec: Pick<UploadSpec, "mode" | "maxUnstableAge">,
  stabilityThreshold: number,
): StabilityPolicy {
  return { threshold: spec.mode === "watch" ? stabilityThreshold : 0, maxUnstableAge: spec.maxUnstableAge };
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
  { threshold, maxUnstableAge }: StabilityPolicy,
): number {
  if (maxUnstableAge !== null && unstableSince !== null && now - unstableSince >= maxUnstableAge) return 0;
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

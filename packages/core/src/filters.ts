import type { Reason } from "./errors.ts";
import type { SourceFacts } from "./file.ts";
import type { UploadSpec } from "./upload.ts";

/** Why a matching file is left out by the upload's size and age limits, if it is. Limits are inclusive. */
export function filterReason(
  spec: Pick<UploadSpec, "minSize" | "maxSize" | "minAge" | "maxAge">,
  facts: SourceFacts,
  now: number,
): Reason | undefined {
  const age = now - Number(facts.mtimeNs / 1_000_000n);
  const filtered = (message: string): Reason => ({ code: "FILE_FILTERED", message });
  if (spec.minSize !== null && facts.size < spec.minSize) return filtered(`Smaller than ${spec.minSize} bytes.`);
  if (spec.maxSize !== null && facts.size > spec.maxSize) return filtered(`Larger than ${spec.maxSize} bytes.`);
  if (spec.minAge !== null && age < spec.minAge) return filtered(`Modified less than ${spec.minAge} ms ago.`);
  if (spec.maxAge !== null && age > spec.maxAge) return filtered(`Modified more than ${spec.maxAge} ms ago.`);
  return undefined;
}

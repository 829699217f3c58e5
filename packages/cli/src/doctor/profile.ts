import { type Capability, type ProviderProfile, profilePath, writeProfile } from "../assembly/provider-profile.ts";
import type { Config } from "../config/config.ts";
import { printable } from "../output/printable.ts";
import { type Discovery, ok, problem, reasonOf, warning } from "./finding.ts";

/** What follows from the findings for how files are sent. */
export function profileOf(
  capabilities: ReadonlyMap<Capability, boolean>,
  bucket: string,
  checkedAt: Date,
): ProviderProfile {
  return {
    checksums: capabilities.get("crc32") ? "crc32" : "none",
    conditionalWrites: capabilities.get("conditional_writes") === true,
    checkedAt: checkedAt.toISOString(),
    bucket,
    capabilities: Object.fromEntries(capabilities),
  };
}

/** Keeps the profile, and says where settings say something else, which they may. */
export async function keepProfile(config: Config, profile: ProviderProfile): Promise<Discovery[]> {
  const path = profilePath(config);
  const { checksums, conditionalWrites } = profile;
  const facts = { path, checksums, conditional_writes: conditionalWrites };
  const differing = [assessChecksums(config, profile), assessConditions(config, profile)].filter(
    (one) => one !== undefined,
  );
  try {
    await writeProfile(config, profile);
  } catch (error) {
    const remedy =
      "Give Bucketline's user the right to write the data folder, or set s3.checksums and s3.conditional_writes.";
    return [
      problem(`The profile cannot be kept at ${printable(path)}: ${printable(reasonOf(error))}`, remedy, facts),
      ...differing,
    ];
  }
  const shown = `checksums ${checksums}, conditional writes ${conditionalWrites ? "yes" : "no"}`;
  return [ok(`Kept in ${printable(path)}: ${shown}.`, facts), ...differing];
}

export function assessChecksums({ values, origins }: Config, profile: ProviderProfile): Discovery | undefined {
  if (origins.checksums.from === "default" || values.checksums === profile.checksums) return undefined;
  return profile.checksums === "none"
    ? problem(
        "s3.checksums is crc32, and the store does not do what that needs: uploads will fail.",
        "Take the setting away, or set it to none.",
      )
    : warning(
        "s3.checksums is none, although the store knows CRC32: whole objects are not compared.",
        "Take the setting away.",
      );
}

export function assessConditions({ values, origins }: Config, profile: ProviderProfile): Discovery | undefined {
  if (origins.conditionalWrites.from === "default" || values.conditionalWrites === profile.conditionalWrites)
    return undefined;
  return profile.conditionalWrites
    ? warning(
        "s3.conditional_writes is off, although the store honours conditions: --overwrite never is refused.",
        "Take the setting away.",
      )
    : problem(
        "s3.conditional_writes is on, and the store does not honour conditions: --overwrite never would overwrite.",
        "Take the setting away, or set it to false.",
      );
}

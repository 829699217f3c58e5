import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Config } from "../config/config.ts";

/** What an object store may be able to do. */
export type Capability =
  | "put"
  | "delete"
  | "crc32"
  | "content_md5"
  | "metadata"
  | "conditional_writes"
  | "conditional_deletes"
  | "multipart"
  | "list_parts"
  | "part_checksums"
  | "object_size"
  | "minimum_part_size"
  | "abort"
  | "list_objects"
  | "list_multiparts"
  | "keys"
  | "odd_keys";

/** What `doctor` has found out about an object store. */
export interface ProviderProfile {
  readonly checksums: "crc32" | "none";
  readonly conditionalWrites: boolean;
  /** RFC 3339. */
  readonly checkedAt: string;
  /** That it was examined with. */
  readonly bucket?: string;
  /** What was found, for people: only the two above change how files are sent. */
  readonly capabilities?: Readonly<Partial<Record<Capability, boolean>>>;
}

/** `providers.json` in the data folder: profiles by the endpoint, `aws` for Amazon's own. */
type Profiles = Readonly<Record<string, ProviderProfile>>;

export function profilePath({ values }: Config): string {
  return join(values.dataFolder, "providers.json");
}

/** @returns undefined when this object store was never examined. A file that cannot be read counts as none. */
export async function readProfile(config: Config): Promise<ProviderProfile | undefined> {
  const profile = (await readProfiles(profilePath(config)))[providerOf(config)];
  const isWhole = profile && /^(crc32|none)$/.test(profile.checksums) && typeof profile.conditionalWrites === "boolean";
  return isWhole ? profile : undefined;
}

/** Keeps the profile; those of other endpoints stay. @throws what the file system says */
export async function writeProfile(config: Config, profile: ProviderProfile): Promise<void> {
  const path = profilePath(config);
  const profiles = { ...(await readProfiles(path)), [providerOf(config)]: profile };
  await mkdir(config.values.dataFolder, { recursive: true, mode: 0o700 });
  const draft = `${path}.${process.pid}`;
  await writeFile(draft, `${JSON.stringify(profiles, null, 2)}\n`, { mode: 0o600 });
  await rename(draft, path);
}

function providerOf({ values }: Config): string {
  const url = values.endpointUrl;
  return url && URL.canParse(url) ? new URL(url).origin : (url ?? "aws");
}

async function readProfiles(path: string): Promise<Profiles> {
  try {
    const found: unknown = JSON.parse(await readFile(path, "utf8"));
    return typeof found === "object" && found !== null && !Array.isArray(found) ? (found as Profiles) : {};
  } catch {
    return {};
  }
}

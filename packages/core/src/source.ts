import { openDropFolder } from "./drop-folders.ts";
import { SourceError } from "./errors.ts";
import type { FileSystem, SourceRoot } from "./ports/file-system.ts";
import type { UploadSpec } from "./upload.ts";

type Place = Pick<UploadSpec, "sourceFolder" | "rootMarker">;

/**
 * Opens the folder from which an upload's files are sent: its source folder, or working/ of a drop folder.
 * @throws SourceError as `openBase`
 */
export async function openSource(fileSystem: FileSystem, spec: Place & Pick<UploadSpec, "drop">): Promise<SourceRoot> {
  const base = await openBase(fileSystem, spec);
  return spec.drop ? await openDropFolder(fileSystem, base, "working") : base;
}

/**
 * Opens an upload's source folder, if it is the one: an empty mount point has no marker.
 * @throws SourceError as `FileSystem.openRoot` · `SOURCE_DOUBTFUL` without its marker
 */
export async function openBase(fileSystem: FileSystem, { sourceFolder, rootMarker }: Place): Promise<SourceRoot> {
  const root = await fileSystem.openRoot(sourceFolder);
  if (!(await hasMarker(root, rootMarker))) {
    const message = `The source folder ${root.path} lacks its marker, a file ${rootMarker}. Is its disk mounted?`;
    throw new SourceError("SOURCE_DOUBTFUL", message);
  }
  return root;
}

/**
 * Whether the marker is there, if one is wanted. A folder is none: something else may be mounted on it. Nor is what lies
 * outside, behind a link: whether it exists is nobody's business.
 */
export async function hasMarker(root: SourceRoot, rootMarker: string | null): Promise<boolean> {
  if (rootMarker === null) return true;
  for (let end = rootMarker.indexOf("/"); end > 0; end = rootMarker.indexOf("/", end + 1))
    if (!(await isFolderInside(root, rootMarker.slice(0, end)))) return false;
  const marker = await root.stat(rootMarker);
  return marker !== undefined && marker.kind !== "folder";
}

async function isFolderInside(root: SourceRoot, path: string): Promise<boolean> {
  try {
    return (await root.stat(path, { follow: true }))?.kind === "folder";
  } catch (error) {
    if (error instanceof SourceError && error.code === "SOURCE_OUTSIDE_ROOT") return false;
    throw error;
  }
}

import { join } from "node:path";
import { disposes, overlap } from "./after-upload.ts";
import { InputError, SourceError } from "./errors.ts";
import type { FileSystem, SourceRoot } from "./ports/file-system.ts";
import { changesOf, type FolderChanges } from "./ports/folder-changes.ts";
import type { UploadSpec } from "./upload.ts";

/** The folders of a drop folder: where producers put files, what is being sent, what was sent, what never will be. */
export const DROP_FOLDERS = ["incoming", "working", "done", "failed"] as const;
export type DropFolder = (typeof DROP_FOLDERS)[number];

/** The folder in which changes are of interest: where others write. */
export function watchedFolder({ sourceFolder, drop }: Pick<UploadSpec, "sourceFolder" | "drop">): string {
  return drop ? join(sourceFolder, "incoming") : sourceFolder;
}

/**
 * Opens one of the four. A rename between them must be one step, and nothing may be led elsewhere by a link.
 * @param base the drop folder itself
 * @throws SourceError `SOURCE_DOUBTFUL` for a link and for another device
 */
export async function openDropFolder(
  fileSystem: Pick<FileSystem, "openRoot">,
  base: SourceRoot,
  name: DropFolder,
): Promise<SourceRoot> {
  const path = join(base.path, name);
  const root = await fileSystem.openRoot(path);
  if (root.path === path && root.facts.dev === base.facts.dev) return root;
  const message = `${path} is a link, or on another device than ${base.path}: files could not be moved in one step.`;
  throw new SourceError("SOURCE_DOUBTFUL", message);
}

/** Makes the four folders where they are missing. @throws SourceError */
export async function makeDropFolders(fileSystem: FileSystem & FolderChanges, base: SourceRoot): Promise<void> {
  for (const name of DROP_FOLDERS) {
    await fileSystem.makeFolder(base, name);
    await openDropFolder(fileSystem, base, name);
  }
}

/**
 * Opens the folder into which sent files are moved.
 * @param source the folder they come from
 * @throws SourceError `SOURCE_NOT_DISPOSED` when it cannot be used, and as `FileSystem.openRoot`
 */
export async function openMoveTarget(
  fileSystem: Pick<FileSystem, "openRoot">,
  source: SourceRoot,
  moveTo: string,
): Promise<SourceRoot> {
  const target = await fileSystem.openRoot(moveTo);
  const problem =
    target.facts.dev !== source.facts.dev
      ? "is on another device than"
      : overlap(target.path, source.path)
        ? "lies inside, or holds,"
        : undefined;
  if (problem === undefined) return target;
  throw new SourceError("SOURCE_NOT_DISPOSED", `afterUpload.moveTo ${target.path} ${problem} ${source.path}.`);
}

/**
 * Whether files can be moved and deleted as the upload says, before it is recorded; makes the folders of a drop folder.
 * @param root the source folder; of a drop folder, the one that holds the four
 * @throws InputError `INVALID_OPTION` when the file system can only read · SourceError
 */
export async function prepareDisposal(fileSystem: FileSystem, spec: UploadSpec, root: SourceRoot): Promise<void> {
  if (!disposes(spec)) return;
  const changing = changesOf(fileSystem);
  if (!changing) {
    const message = `Option ${spec.drop ? "drop" : "afterUpload"} needs a fileSystem that has the methods of FolderChanges.`;
    throw new InputError("INVALID_OPTION", message);
  }
  if (spec.drop) await makeDropFolders(changing, root);
  if (typeof spec.afterUpload === "object") await openMoveTarget(fileSystem, root, spec.afterUpload.moveTo);
}

import { Confinement, notAllowed } from "../confinement.ts";
import type { FileSystem } from "../ports/file-system.ts";
import { changesOf, type FolderRoot } from "../ports/folder-changes.ts";

/**
 * Opens only source folders whose real path lies inside the real path of one of the roots (a root itself counts); the
 * `SourceRoot` it hands out is the inner one, which holds everything that is opened inside that real path. Whether there is
 * anything outside is not told: neither a path nor a link that leads there is refused in another way.
 * @param roots relative ones are taken from the working directory; one that does not exist (yet) admits nothing
 * @throws InputError `INVALID_OPTION` when the file system has no `realPath`
 */
export function withinRoots(fileSystem: FileSystem, roots: readonly string[]): FileSystem {
  const confinement = new Confinement(fileSystem, roots);
  const changing = changesOf(fileSystem);
  /** The root was inside when it was opened, and must still be: whoever holds it has had time to swap folders. */
  const held = async <T>(places: readonly FolderRoot[], change: () => Promise<T>): Promise<T> => {
    for (const { path } of places) if (!(await confinement.holds(path))) throw notAllowed(path);
    return await change();
  };
  return {
    ...(changing && {
      makeFolder: (root, path) => held([root], () => changing.makeFolder(root, path)),
      moveFile: (from, to, expected) => held([from.root, to.root], () => changing.moveFile(from, to, expected)),
      removeFile: (file, expected) => held([file.root], () => changing.removeFile(file, expected)),
      removeEmptyFolders: (root, path) => held([root], () => changing.removeEmptyFolders(root, path)),
    }),
    async openRoot(path) {
      const root = await fileSystem.openRoot(path).catch(async (error: unknown) => {
        throw await confinement.failure(error, path);
      });
      if (!(await confinement.holds(root.path))) throw notAllowed(path);
      return root;
    },
    realPath: (path) => confinement.realPath(path),
  };
}

import { Confinement, notAllowed } from "../confinement.ts";
import type { FileSystem } from "../ports/file-system.ts";

/**
 * Opens only source folders whose real path lies inside the real path of one of the roots (a root itself counts); the
 * `SourceRoot` it hands out is the inner one, which holds everything that is opened inside that real path. Whether there is
 * anything outside is not told: neither a path nor a link that leads there is refused in another way.
 * @param roots relative ones are taken from the working directory; one that does not exist (yet) admits nothing
 * @throws InputError `INVALID_OPTION` when the file system has no `realPath`
 */
export function withinRoots(fileSystem: FileSystem, roots: readonly string[]): FileSystem {
  const confinement = new Confinement(fileSystem, roots);
  return {
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

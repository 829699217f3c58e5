import { resolve, sep } from "node:path";
import { InputError, SourceError } from "./errors.ts";
import type { FileSystem } from "./ports/file-system.ts";

/** Whether a path is the folder or lies below it. Both absolute; links are not looked at. */
export function isInside(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder.endsWith(sep) ? folder : folder + sep);
}

/** The folders outside which nothing may be read. Those that do not exist (yet) admit nothing. */
export class Confinement {
  /** Absolute; as given, not as they lead. */
  readonly roots: readonly string[];
  /** As of the file system. */
  readonly realPath: (path: string) => Promise<string>;

  /**
   * @param roots relative ones are taken from the working directory as it is now
   * @throws InputError `INVALID_OPTION` when the file system does not tell where links lead
   */
  constructor(fileSystem: FileSystem, roots: readonly string[]) {
    const { realPath } = fileSystem;
    if (!realPath)
      throw new InputError("INVALID_OPTION", "Option allowedRoots needs a fileSystem that has the method realPath.");
    this.roots = roots.map((root) => resolve(root));
    this.realPath = (path) => realPath.call(fileSystem, path);
  }

  /** Whether the path leads into one of the roots. Says the same of what is there and of what is not. */
  async admits(path: string): Promise<boolean> {
    return isInsideOne(await this.realPath(path), await this.#realRoots());
  }

  /** Whether the path, which was a real one when it was opened, still is, and lies in one of the roots. */
  async holds(opened: string): Promise<boolean> {
    return (await this.realPath(opened)) === opened && isInsideOne(opened, await this.#realRoots());
  }

  /** What to throw for a folder that cannot be opened: outside the roots always the same, whatever is or is not there. */
  async failure(error: unknown, path: string): Promise<unknown> {
    const isNamed = isInsideOne(resolve(path), [...this.roots, ...(await this.#realRoots())]);
    return isNamed && (await this.admits(path)) ? error : notAllowed(path);
  }

  async #realRoots(): Promise<string[]> {
    return await Promise.all(this.roots.map(this.realPath));
  }
}

function isInsideOne(path: string, folders: readonly string[]): boolean {
  return folders.some((folder) => isInside(path, folder));
}

/** Says nothing of what the path leads to. */
export function notAllowed(path: string): SourceError {
  return new SourceError(
    "SOURCE_NOT_ALLOWED",
    `${path} lies outside the folders that may be read. Name a folder inside them, or extend allowedRoots.`,
  );
}

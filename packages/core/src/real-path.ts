import { dirname, isAbsolute, join, parse, resolve, sep } from "node:path";
import type { FsLike } from "./node-file-system.ts";

/** As many as Linux follows (path_resolution(7)); a chain that is longer leads nowhere. */
const LINKS_AT_MOST = 40;

/**
 * Where a path leads once every link in it is followed, whether or not anything is there: below what does not exist, or
 * may not be looked at, names are taken as they are written.
 */
export async function leadsTo(
  { realpath, readlink }: Pick<FsLike["promises"], "realpath" | "readlink">,
  path: string,
): Promise<string> {
  const absolute = resolve(path);
  const real = await realpath(absolute).catch(() => undefined);
  if (real !== undefined) return real;
  let { root: at } = parse(absolute);
  const left = absolute.slice(at.length).split(sep);
  let links = 0;
  for (let name = left.shift(); name !== undefined; name = left.shift()) {
    if (name === "" || name === ".") continue;
    if (name === "..") {
      at = dirname(at);
      continue;
    }
    const next = join(at, name);
    const target = links < LINKS_AT_MOST ? await readlink(next).catch(() => undefined) : undefined;
    if (target === undefined) {
      at = next;
      continue;
    }
    links++;
    if (isAbsolute(target)) at = parse(target).root;
    left.unshift(...target.split(sep));
  }
  return at;
}

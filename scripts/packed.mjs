// The publishable packages, and their tarballs as npm would publish them.

import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("..", import.meta.url));

/** Standard output of a command. @throws Error with all that it said, when it fails */
export function run(command, args, cwd, env = process.env) {
  try {
    return execFileSync(command, args, { cwd, env, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
  } catch (error) {
    throw new Error(`${command} ${args.join(" ")} failed\n${error.stdout ?? ""}${error.stderr ?? ""}`.trimEnd(), {
      cause: error,
    });
  }
}

/** Folder and manifest of each, by name. */
export function publishablePackages() {
  return readdirSync(join(root, "packages"))
    .sort()
    .map((name) => join(root, "packages", name))
    .filter((folder) => existsSync(join(folder, "package.json")))
    .map((folder) => ({ folder, manifest: JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) }))
    .filter(({ manifest }) => !manifest.private);
}

/** Packs what is built; `size` in bytes, `files` with their paths. */
export function pack(folder, destination) {
  const answer = run("npm", ["pack", "--json", "--pack-destination", destination], folder);
  const [{ filename, files, size }] = Object.values(JSON.parse(answer));
  return { tarball: join(destination, filename), files, size };
}

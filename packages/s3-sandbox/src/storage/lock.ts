import { randomBytes } from "node:crypto";
import { linkSync, readFileSync, realpathSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { SandboxError } from "../errors.ts";

const held = new Set<string>();

/**
 * When a process started, as the kernel counts it: tells a process from a later one with the same id. Empty where
 * unknown.
 */
function startMark(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // Field 22, counted after the command name, which may itself hold spaces and parentheses.
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? "";
  } catch {
    return "";
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

function readClaim(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

/** The process that made a claim, if it is another one and still runs. */
function livingOwner(claim: string): number | undefined {
  try {
    const { pid, started } = JSON.parse(claim) as { pid?: unknown; started?: unknown };
    if (typeof pid !== "number" || pid === process.pid) return undefined;
    return isAlive(pid) && startMark(pid) === started ? pid : undefined;
  } catch {
    return undefined;
  }
}

/** Takes a dead claim away. Renaming first makes sure that it is the claim that was found dead, not one made since. */
function removeDeadClaim(path: string, claim: string): void {
  const aside = `${path}.${randomBytes(6).toString("hex")}`;
  try {
    renameSync(path, aside);
  } catch {
    return;
  }
  if (readClaim(aside) === claim) rmSync(aside, { force: true });
  else renameSync(aside, path);
}

/**
 * Whether the claim is now in place; false when there is one already. The file appears with its content, never empty.
 */
function placeClaim(path: string, claim: string): boolean {
  const temporary = `${path}.${randomBytes(6).toString("hex")}`;
  writeFileSync(temporary, claim, { mode: 0o600 });
  try {
    linkSync(temporary, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  } finally {
    rmSync(temporary, { force: true });
  }
}

/**
 * Claims a directory for this process and returns what gives it back. A claim whose process is gone is taken over.
 * @throws SandboxError SANDBOX_DIRECTORY_IN_USE
 */
export function lockDirectory(directory: string): () => void {
  const path = join(realpathSync(directory), "lock");
  const inUse = (owner: string): SandboxError =>
    new SandboxError(
      "SANDBOX_DIRECTORY_IN_USE",
      `"${directory}" is served by ${owner}. Stop that sandbox or choose another directory.`,
    );
  if (held.has(path)) throw inUse("another sandbox in this process");
  const claim = JSON.stringify({ pid: process.pid, started: startMark(process.pid) });
  while (!placeClaim(path, claim)) {
    const found = readClaim(path);
    if (found === undefined) continue;
    const owner = livingOwner(found);
    if (owner !== undefined) throw inUse(`process ${owner}`);
    removeDeadClaim(path, found);
  }
  held.add(path);
  return () => {
    held.delete(path);
    rmSync(path, { force: true });
  };
}

import { execFileSync } from "node:child_process";
import { PostgresSandboxError } from "./errors.ts";

/** Whom PostgreSQL runs as. */
export interface Account {
  readonly uid: number;
  readonly gid: number;
}

// PostgreSQL looks its user up by name, so a bare number is not enough. "nobody" is on nearly every system.
const CANDIDATES = ["nobody", "postgres", "daemon"];

/**
 * The account PostgreSQL is given when we are root, whom it refuses; undefined: our own will do. No account is created.
 * @throws PostgresSandboxError when root finds no other account
 */
export function unprivilegedAccount(): Account | undefined {
  if (process.getuid?.() !== 0) return undefined;
  for (const name of CANDIDATES) {
    const [uid, gid] = [idOf("-u", name), idOf("-g", name)];
    if (uid !== undefined && gid !== undefined && uid !== 0) return { uid, gid };
  }
  throw new PostgresSandboxError(
    `PostgreSQL does not run as root, and this system has none of the accounts ${CANDIDATES.join(", ")}. Run as another user, or set DATABASE_URL to a PostgreSQL of yours.`,
  );
}

function idOf(flag: "-u" | "-g", name: string): number | undefined {
  try {
    return Number(execFileSync("id", [flag, name], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }));
  } catch {
    return undefined;
  }
}

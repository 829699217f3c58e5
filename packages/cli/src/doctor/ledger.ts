import { statfs } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { maskPasswords } from "../config/values.ts";
import { codeOf } from "../errors.ts";
import { printable } from "../output/printable.ts";
import { bytes, count } from "../output/quantities.ts";
import { type Check, type Discovery, ok, problem, reasonOf, skipped, warning } from "./finding.ts";
import type { LedgerFacts } from "./ledger-facts.ts";
import { isOverNetwork, isVolatile, type Mount, mountOf, readMounts } from "./mounts.ts";
import type { LedgerExamination } from "./scratch-ledger.ts";
import { existingFolder } from "./scratch-ledger.ts";

const REMEDIES: Readonly<Record<string, string>> = {
  STATE_CORRUPT: "Restore it from a backup, or name another ledger with DATABASE_URL.",
  STATE_NEWER: "Upgrade Bucketline: a newer version has written it.",
  STATE_BUSY: "Look at which process has it, and ask again.",
  STATE_UNAVAILABLE: "Look at whether the server runs, and at host, port, user and password in DATABASE_URL.",
  STATE_NOT_WRITABLE: "Give the user that runs Bucketline the right to read and write it.",
};

export const ledgerCheck: Check<LedgerExamination> = {
  name: "ledger",
  async run(examination) {
    const { config, ledger } = examination;
    const where = printable(maskPasswords(config.values.databaseUrl));
    try {
      const facts = await ledger();
      return [describe(facts, where), ...(await surroundings(facts))];
    } catch (error) {
      const code = codeOf(error) ?? "UNEXPECTED";
      const remedy = REMEDIES[code] ?? "Look at the path or address in DATABASE_URL, and at who may read it.";
      const message = `The ledger ${where} cannot be read: ${printable(maskPasswords(reasonOf(error)))}`;
      return [{ ...problem(message, remedy, { ledger: where, code }), isOutOfReach: true }];
    }
  },
};

function describe(facts: LedgerFacts, where: string): Discovery {
  const { exists, place, version, latestVersion, serverVersion, uploads } = facts;
  const known = {
    ledger: where,
    kind: place.kind,
    exists,
    bytes: facts.bytes,
    version: version ?? null,
    latest_version: latestVersion ?? null,
    server_version: serverVersion ?? null,
    uploads: uploads?.length ?? null,
  };
  const server = serverVersion === undefined ? "" : ` on PostgreSQL ${serverVersion}`;
  if (!exists) return ok(`There is no ledger at ${where} yet${server}; the first upload makes it.`, known);
  if (version !== undefined && latestVersion !== undefined && version < latestVersion) {
    const message = `${where} has version ${version}; the next command that opens it brings it to ${latestVersion}.`;
    return warning(message, "Make a backup first, and stop services of the older version.", known);
  }
  return ok(`${where}${server}: ${count(uploads?.length ?? 0, "upload")}, ${bytes(facts.bytes)}.`, known);
}

async function surroundings(facts: LedgerFacts): Promise<Discovery[]> {
  const { place } = facts;
  if (place.kind === "postgres") return [];
  if (place.path === ":memory:") return [skipped("The ledger is in memory: it is gone when the process ends.")];
  const folder = await existingFolder(dirname(resolve(place.path)));
  const mount = mountOf(await readMounts(), folder);
  return [...(mount ? assessMount(mount, place.kind) : []), assessSpace(await freeSpace(folder), facts.bytes)];
}

export function assessMount(mount: Mount, kind: "sqlite" | "json"): Discovery[] {
  const facts = { file_system: mount.type, mounted_at: mount.path };
  if (isVolatile(mount))
    return [
      warning(
        `The ledger lies in memory (${mount.type} on ${printable(mount.path)}) and is gone after a restart of the machine.`,
        "Put it on a disk.",
        facts,
      ),
    ];
  if (!isOverNetwork(mount)) return [];
  const where = `a file system of the network (${mount.type} on ${printable(mount.path)})`;
  if (kind === "sqlite")
    return [
      problem(
        `The SQLite ledger lies on ${where}. Its write-ahead log needs memory that all its processes share; over a network it can be damaged.`,
        "Put it on a local disk; for several hosts use PostgreSQL.",
        facts,
      ),
    ];
  return [
    warning(
      `The JSON ledger lies on ${where}. It is as safe as that file system's locks and syncs are.`,
      "Put it on a local disk; for several hosts use PostgreSQL.",
      facts,
    ),
  ];
}

async function freeSpace(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
}

const SCARCE = 1_000_000_000;
const TOO_LITTLE = 50_000_000;

/** A JSON ledger is written anew as a whole beside the old one, and a migration of SQLite may do the same. */
export function assessSpace(free: number, size: number): Discovery {
  const facts = { free_bytes: free, ledger_bytes: size };
  const remedy = "Make room on its disk: nothing can be recorded once it is full, and uploads then stop.";
  if (free < Math.max(TOO_LITTLE, size))
    return problem(`Only ${bytes(free)} are free beside the ledger.`, remedy, facts);
  if (free < Math.max(SCARCE, 3 * size)) return warning(`${bytes(free)} are free beside the ledger.`, remedy, facts);
  return ok(`${bytes(free)} are free beside it.`, facts);
}

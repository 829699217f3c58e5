import { INITIAL_TABLES, initial } from "./0001-initial.ts";
import { notices } from "./0002-notices.ts";
import { steps } from "./0003-steps.ts";

/** Takes the quoted name of the schema. */
export type Migration = (schema: string) => string;

/** In order; `ledger.version` is how many have run. A released migration is never edited. */
export const MIGRATIONS: readonly Migration[] = [initial, notices, steps];

/** What the latest version has. */
export const TABLES: readonly string[] = [...INITIAL_TABLES, "notices"];

import { initial } from "./0001-initial.ts";
import { failedDue } from "./0002-failed-due.ts";
import { scanner } from "./0003-scanner.ts";
import { unstable } from "./0004-unstable.ts";
import { notices } from "./0005-notices.ts";
import { steps } from "./0006-steps.ts";

/** In order; `user_version` of a database is how many have run. A released migration is never edited. */
export const MIGRATIONS: readonly string[] = [initial, failedDue, scanner, unstable, notices, steps];

import { initial } from "./0001-initial.ts";

/** In order; `user_version` of a database is how many have run. A released migration is never edited. */
export const MIGRATIONS: readonly string[] = [initial];

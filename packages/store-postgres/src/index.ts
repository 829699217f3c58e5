export type { PostgresStateStoreOptions } from "./options.ts";
export { PostgresStateStore } from "./store.ts";

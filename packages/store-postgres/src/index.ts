export { inspectLedger, type LedgerInspection, removeLedger } from "./inspection.ts";
export type { PostgresStateStoreOptions } from "./options.ts";
export { PostgresStateStore } from "./store.ts";

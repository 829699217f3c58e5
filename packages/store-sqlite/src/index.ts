export { inspectLedger, type LedgerInspection } from "./inspection.ts";
export { SqliteStateStore, type SqliteStateStoreOptions } from "./store.ts";

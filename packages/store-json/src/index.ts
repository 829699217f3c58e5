export { inspectLedger, type LedgerInspection } from "./inspection.ts";
export { JsonStateStore, type JsonStateStoreOptions } from "./store.ts";

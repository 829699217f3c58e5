export { SqliteStateStore, type SqliteStateStoreOptions } from "./store.ts";

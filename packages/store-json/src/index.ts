export { JsonStateStore, type JsonStateStoreOptions } from "./store.ts";

/**
 * What stores that keep everything in memory are made of: records, counters, claims and
 * notices, with the rules of a StateStore.
 * @module
 */
export { Draft, type RecordWrite } from "./draft.ts";
export { MemoryFiles } from "./memory-files.ts";
export { MemoryNotices } from "./memory-notices.ts";
export { MemoryState } from "./memory-state.ts";

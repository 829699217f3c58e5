export { Draft, type RecordWrite } from "./draft.ts";
export { MemoryFiles } from "./memory-files.ts";
export { MemoryNotices } from "./memory-notices.ts";
export { MemoryState } from "./memory-state.ts";

export { MemoryState } from "../memory/memory-state.ts";

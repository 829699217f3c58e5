/**
 * Stores in memory, a clock that stands still, a file system of its own and faults on demand,
 * for tests of host applications and adapters.
 * @module
 */
export { FakeClock } from "./fake-clock.ts";
export { FakeFolderWatcher, type FakeFolderWatcherOptions } from "./fake-folder-watcher.ts";
export {
  type ErrorSource,
  type Fault,
  type FaultedCall,
  type FaultOptions,
  type FaultRule,
  type FaultWindow,
  type Faulty,
  faulty,
  type InjectedFault,
} from "./faulty.ts";
export {
  type MemoryBucket,
  type MemoryBucketOptions,
  MemoryBuckets,
  type MemoryCall,
  type MemoryMultipart,
  type MemoryObject,
  type MemoryPart,
} from "./memory-buckets.ts";
export { MemoryFileSystem, type MemoryFileSystemOptions } from "./memory-file-system.ts";
export { MemoryObjectStore, type MemoryObjectStoreOptions } from "./memory-object-store.ts";
export { MemorySpools } from "./memory-spool-folder.ts";
export { MemoryState } from "./memory-state.ts";
export { MemoryStateStore, type MemoryStateStoreOptions } from "./memory-state-store.ts";

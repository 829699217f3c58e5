export type { ConformanceCase } from "./case.ts";
export * from "./object-store/index.ts";
export * from "./state-store/index.ts";

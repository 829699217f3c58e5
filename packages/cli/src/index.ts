export type { ExitCode } from "./errors.ts";
export { runCommandLine } from "./run.ts";

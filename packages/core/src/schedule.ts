import { Cron } from "croner";

/** Scanned once, and then only when somebody asks. */
const MANUAL = "manual";

/** What is wrong with a schedule that is a text, if anything. */
export function scheduleProblem(schedule: string): string | undefined {
  if (schedule === MANUAL) return undefined;
  try {
    return new Cron(schedule, CRON).nextRun() === null ? "it never comes" : undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

/**
 * When a scan is due that follows one begun at `from`. All in milliseconds since 1970.
 * @param schedule as in `UploadSpec`
 * @param interval of the service, for uploads without a schedule of their own
 * @returns undefined: never by itself
 */
export function nextScanAt(schedule: number | string | null, interval: number, from: number): number | undefined {
  if (schedule === MANUAL) return undefined;
  if (typeof schedule !== "string") return from + (schedule ?? interval);
  return new Cron(schedule, CRON).nextRun(new Date(from))?.getTime();
}

/** Five fields, or six with seconds; no year, which would let a schedule end. */
const CRON = { mode: "5-or-6-parts", paused: true } as const;

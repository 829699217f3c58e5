import type { Destination } from "../assembly/registration.ts";
import type { Config } from "../config/config.ts";

export type Level = "ok" | "warning" | "problem" | "skipped";

export interface Finding {
  /** The check that found it. */
  readonly check: string;
  /** `warning`: works, but not as well or as safely as it could. `problem`: something will fail. */
  readonly level: Level;
  /** What is so, for people. Without secrets. */
  readonly message: string;
  /** What to do about it. */
  readonly remedy?: string;
  /** The same for machines, in snake_case. Without secrets. */
  readonly facts?: Readonly<Record<string, unknown>>;
  /** The ledger or the bucket could not be asked at all. */
  readonly isOutOfReach?: boolean;
}

/** What a check finds, before it is known by whom. */
export type Discovery = Omit<Finding, "check">;

/** What the checks of this machine work with. */
export interface Examination {
  readonly config: Config;
  readonly destination: Destination | undefined;
  /** Nothing may be written, neither into the bucket nor beside the ledger. */
  readonly isQuick: boolean;
  /** Somebody wants it to end: checks stop between two steps. */
  readonly signal: AbortSignal;
  /** And at once. */
  readonly cut: AbortSignal;
}

/** One thing to look at. What is wrong becomes a finding; what a check throws is a failure of the check itself. */
export interface Check<Context> {
  readonly name: string;
  run(context: Context): Promise<readonly Discovery[]> | readonly Discovery[];
}

type Facts = Readonly<Record<string, unknown>>;

export const ok = (message: string, facts: Facts = {}): Discovery => ({ level: "ok", message, facts });
export const skipped = (message: string, remedy?: string): Discovery => ({
  level: "skipped",
  message,
  ...(remedy !== undefined && { remedy }),
});
export const warning = (message: string, remedy: string, facts: Facts = {}): Discovery => ({
  level: "warning",
  message,
  remedy,
  facts,
});
export const problem = (message: string, remedy: string, facts: Facts = {}): Discovery => ({
  level: "problem",
  message,
  remedy,
  facts,
});

/** What is known of an error, for a message. */
export function reasonOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.split("\n")[0]?.slice(0, 300) || "no reason was given";
}

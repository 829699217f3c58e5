import { duration } from "../../output/quantities.ts";
import { type Check, type Discovery, ok, problem, skipped, warning } from "../finding.ts";
import { skewOf } from "./dates.ts";
import type { BucketSession } from "./session.ts";

/** S3 refuses what differs by 15 minutes (API reference, RequestTimeTooSkewed). */
const REFUSED_MS = 15 * 60_000;
const NOTABLE_MS = 60_000;

export const clockCheck: Check<BucketSession> = {
  name: "clock",
  run({ clock }) {
    const reading = clock.at(-1);
    return [reading ? assessSkew(skewOf(reading)) : skipped("The store's answers have no Date.")];
  },
};

/** @param skew how far the store's clock is ahead, in milliseconds */
export function assessSkew(skew: number): Discovery {
  const size = Math.abs(skew);
  const facts = { skew_ms: skew };
  if (size < NOTABLE_MS)
    return ok(`The clocks agree${size >= 1_000 ? ` within ${duration(size / 1_000)}` : ""}.`, facts);
  const message = `This machine's clock is ${duration(size / 1_000)} ${skew > 0 ? "behind" : "ahead of"} the store's.`;
  const remedy = "Set the clock, and keep it set with NTP (timedatectl set-ntp true).";
  return size < REFUSED_MS
    ? warning(message, remedy, facts)
    : problem(`${message} Requests that are 15 minutes off are refused.`, remedy, facts);
}

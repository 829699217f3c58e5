import type { Random } from "@bucketline/core";

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

/**
 * How long after the attempt before it each attempt begins, in milliseconds: ten within 75 hours and 35 minutes, so
 * that a weekend is survived. As in the example of Standard Webhooks 1.0.0, "Deliverability and reliability".
 */
export const SCHEDULE = [
  0,
  5 * SECOND,
  5 * MINUTE,
  30 * MINUTE,
  2 * HOUR,
  5 * HOUR,
  10 * HOUR,
  14 * HOUR,
  20 * HOUR,
  24 * HOUR,
] as const satisfies readonly number[];

/** By how much a wait may be longer, so that what failed together does not come back together. */
const JITTER = 0.2;
/** No receiver makes us wait longer. */
const LONGEST_WAIT = 24 * HOUR;
/** IMF-fixdate, the only form of dates that may be sent (RFC 9110, 5.6.7). */
const HTTP_DATE = /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/;

/**
 * @param attempts how many have failed, from 1
 * @param askedFor how long the receiver wants to be left alone, in milliseconds
 * @returns milliseconds until the next one; null: there is none
 */
export function waitAfter(attempts: number, askedFor: number, random: Random): number | null {
  const wait = SCHEDULE[attempts];
  return wait === undefined ? null : Math.max(Math.round(wait * (1 + JITTER * random())), askedFor);
}

/**
 * What a receiver asks for with Retry-After (RFC 9110, 10.2.3), at most a day; 0 when it says nothing that can be read.
 * @param now milliseconds since 1970
 * @returns milliseconds
 */
export function retryAfter(header: string | null, now: number): number {
  const value = header?.trim() ?? "";
  const asked = /^\d{1,15}$/.test(value) ? Number(value) * SECOND : HTTP_DATE.test(value) ? Date.parse(value) - now : 0;
  return Number.isNaN(asked) ? 0 : Math.min(Math.max(asked, 0), LONGEST_WAIT);
}

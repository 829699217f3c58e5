const DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"] as const;
const MINUTE_MS = 60_000;
const DAY_MINUTES = 24 * 60;
const WEEK_MINUTES = 7 * DAY_MINUTES;
/** A window inside an hour that a change of the clocks leaves out comes a week later. */
const FARTHEST_MINUTES = 2 * WEEK_MINUTES;
const WINDOW = /^(?:([a-z]{3})(?:-([a-z]{3}))?\s+)?(\d{1,2}):(\d{2})-(\d{1,2}):(\d{2})$/;

/** What is wrong with hours, if anything. */
export function activeHoursProblem(hours: string): string | undefined {
  try {
    minutesOf(hours);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

/**
 * Whether it is within the hours, by local time.
 * @param hours as in `UploadSpec`; null: always
 * @param now milliseconds since 1970
 */
export function isActive(hours: string | null, now: number): boolean {
  return hours === null || minutesOf(hours)[minuteOfWeek(now)] === 1;
}

/**
 * When it is next within all of the hours: `now`, or a full minute, in milliseconds since 1970.
 * @returns undefined: not within the next weeks
 */
export function nextActive(allHours: readonly (string | null)[], now: number): number | undefined {
  const isWithin = (at: number) => allHours.every((hours) => isActive(hours, at));
  if (isWithin(now)) return now;
  // Minute by minute, as local time jumps when the clocks change.
  const minute = now - (now % MINUTE_MS);
  for (let at = minute + MINUTE_MS; at <= minute + FARTHEST_MINUTES * MINUTE_MS; at += MINUTE_MS) {
    if (isWithin(at)) return at;
  }
  return undefined;
}

function minuteOfWeek(now: number): number {
  const date = new Date(now);
  return date.getDay() * DAY_MINUTES + date.getHours() * 60 + date.getMinutes();
}

const COMPILED_AT_MOST = 100;
const compiled = new Map<string, Uint8Array>();

/** One byte per minute of the week, from Sunday: 1 within the hours. @throws Error that says what is wrong */
function minutesOf(hours: string): Uint8Array {
  const known = compiled.get(hours);
  if (known) return known;
  const minutes = new Uint8Array(WEEK_MINUTES);
  for (const window of hours.split(",")) mark(minutes, window.trim().toLowerCase());
  if (compiled.size >= COMPILED_AT_MOST) compiled.clear();
  compiled.set(hours, minutes);
  return minutes;
}

function mark(minutes: Uint8Array, window: string): void {
  const match = WINDOW.exec(window);
  if (!match) throw new Error(`${JSON.stringify(window)} is no time such as 22:00-06:00 or Mon-Fri 22:00-06:00`);
  const [, first, last = first] = match;
  const from = minuteOfDay(match[3], match[4]);
  const to = minuteOfDay(match[5], match[6]);
  if (from % DAY_MINUTES === to % DAY_MINUTES && to - from !== DAY_MINUTES)
    throw new Error(`${JSON.stringify(window)} begins when it ends; write 00:00-24:00 for the whole day`);
  const length = to > from ? to - from : to + DAY_MINUTES - from;
  for (const day of daysOf(first, last)) {
    // A window over midnight goes on into the next day, and on Saturday into Sunday.
    for (let minute = 0; minute < length; minute++) minutes[(day * DAY_MINUTES + from + minute) % WEEK_MINUTES] = 1;
  }
}

function minuteOfDay(hours: string | undefined, minutes: string | undefined): number {
  const total = Number(hours) * 60 + Number(minutes);
  if (Number(minutes) > 59 || total > DAY_MINUTES) throw new Error(`${hours}:${minutes} is no time of a day`);
  return total;
}

function daysOf(first: string | undefined, last: string | undefined): number[] {
  if (first === undefined) return DAYS.map((_, day) => day);
  const [from, to] = [first, last].map((name) => DAYS.indexOf(name as (typeof DAYS)[number])) as [number, number];
  if (from === -1 || to === -1) throw new Error(`days are ${DAYS.join(", ")}`);
  const count = to >= from ? to - from + 1 : to + 7 - from + 1;
  return Array.from({ length: count }, (_, index) => (from + index) % 7);
}

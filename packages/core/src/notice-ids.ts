const TIME_DIGITS = 10;
const SERIAL_DIGITS = 4;
const SERIALS = 36 ** SERIAL_DIGITS;
const RUN_DIGITS = 12;

/** Makes ids of notices: time, serial number, run. Those of one run sort in order of creation, also when the clock is set back. */
export class NoticeIds {
  readonly #run: string;
  #time = 0;
  #serial = 0;

  /** @param run unique; its last letters and digits tell the ids of one run from those of any other */
  constructor(run: string) {
    this.#run = run
      .toLowerCase()
      .replaceAll(/[^a-z0-9]/g, "")
      .slice(-RUN_DIGITS);
  }

  /** @param now milliseconds since 1970 */
  next(now: number): string {
    this.#serial++;
    if (now > this.#time || this.#serial === SERIALS) {
      this.#time = Math.max(now, this.#time + 1);
      this.#serial = 0;
    }
    return `ntc_${base36(this.#time, TIME_DIGITS)}${base36(this.#serial, SERIAL_DIGITS)}${this.#run}`;
  }
}

function base36(value: number, digits: number): string {
  return value.toString(36).padStart(digits, "0");
}

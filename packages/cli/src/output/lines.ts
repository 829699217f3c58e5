import type { Sight } from "../transfer/observation.ts";
import { progressLine } from "./picture.ts";
import type { Terminal } from "./terminal.ts";
import type { View } from "./view.ts";

/** Soon after the start, and then ever less often: a log of a night is to be read by people. */
const FIRST_MS = 2_000;
const LAST_MS = 30_000;

/** A line now and then, and one at the end. */
export class LinesView implements View {
  readonly #observation: Sight;
  readonly #terminal: Pick<Terminal, "write">;
  #timer: NodeJS.Timeout | undefined;
  #pause = FIRST_MS;
  #state = "";
  #last = "";

  constructor(observation: Sight, terminal: Pick<Terminal, "write">) {
    this.#observation = observation;
    this.#terminal = terminal;
    this.#wait();
  }

  note(line: string): void {
    this.#terminal.write(`${line}\n`);
  }

  say(state: string): void {
    this.#state = state;
  }

  end(): void {
    if (!this.#timer) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#line();
  }

  #wait(): void {
    this.#timer = setTimeout(() => {
      this.#line();
      this.#pause = Math.min(LAST_MS, this.#pause * 1.5);
      this.#wait();
    }, this.#pause);
    this.#timer.unref();
  }

  /** Nothing new is no news. */
  #line(): void {
    const { standing, isScanning, waiting } = this.#observation;
    const line = progressLine({ standing, isScanning, state: this.#state || waiting, flights: [] });
    if (line !== this.#last) this.note(line);
    this.#last = line;
  }
}

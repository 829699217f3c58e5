import { writeSync } from "node:fs";
import type { Environment } from "../config/config.ts";
import type { Sight } from "../transfer/observation.ts";
import { columnsOf } from "./columns.ts";
import { progressBlock } from "./picture.ts";
import type { Terminal } from "./terminal.ts";
import type { View } from "./view.ts";

const FRAME_MS = 100;
const ESCAPE = "\u001b[";
/** ECMA-48 and DEC: what every terminal since the VT220 understands. */
const HIDE_CURSOR = `${ESCAPE}?25l`;
const SHOW_CURSOR = `${ESCAPE}?25h`;
const CLEAR_LINE_END = `${ESCAPE}K`;
const CLEAR_BELOW = `${ESCAPE}J`;

/**
 * A block at the end of what is printed that redraws itself in place: at most ten times a second, each frame with one
 * write, and only when it differs. The cursor is hidden meanwhile, and shown again however the process ends, unless by
 * SIGKILL.
 */
export class LiveView implements View {
  readonly #observation: Sight;
  readonly #terminal: Terminal;
  readonly #isUnicode: boolean;
  readonly #timer: NodeJS.Timeout;
  /** As they stand on the screen, without styles. */
  #widths: number[] = [];
  #frame = "";
  #state = "";
  #hasEnded = false;

  constructor(observation: Sight, terminal: Terminal, environment: Environment) {
    this.#observation = observation;
    this.#terminal = terminal;
    this.#isUnicode = showsUnicode(environment);
    process.on("exit", this.#restore);
    process.on("SIGTSTP", this.#suspend);
    process.on("SIGCONT", this.#resume);
    process.stdout.on("resize", this.#redraw);
    terminal.write(HIDE_CURSOR);
    this.#draw();
    this.#timer = setInterval(() => this.#draw(), FRAME_MS);
    this.#timer.unref();
  }

  note(line: string): void {
    if (this.#hasEnded) return this.#terminal.write(`${line}\n`);
    // The next frame is part of the same write: nothing flickers, and the block is never gone.
    const start = this.#toStart();
    this.#widths = [];
    const block = this.#render();
    this.#frame = block;
    this.#terminal.write(`${start}${line}${CLEAR_LINE_END}\n${block}`);
  }

  say(state: string): void {
    this.#state = state;
  }

  end(): void {
    if (this.#hasEnded) return;
    clearInterval(this.#timer);
    this.#observation.flights.clear();
    this.#draw();
    this.#hasEnded = true;
    this.#terminal.write(SHOW_CURSOR);
    process.off("exit", this.#restore);
    process.off("SIGTSTP", this.#suspend);
    process.off("SIGCONT", this.#resume);
    process.stdout.off("resize", this.#redraw);
  }

  #draw(): void {
    const start = this.#toStart();
    const block = this.#render();
    if (block === this.#frame) return;
    this.#frame = block;
    this.#terminal.write(start + block);
  }

  #render(): string {
    const { standing, flights, isScanning, waiting } = this.#observation;
    const moment = { standing, flights: [...flights.values()], isScanning, state: this.#state || waiting };
    const lines = progressBlock(moment, {
      // The last column stays free: some terminals wrap as soon as it is written.
      width: Math.max(1, this.#terminal.columns - 1),
      height: Math.max(1, rows() - 2),
      isUnicode: this.#isUnicode,
      style: this.#terminal.style,
    });
    this.#widths = lines.map(columnsOf);
    return `${lines.map((line) => `${line}${CLEAR_LINE_END}\n`).join("")}${CLEAR_BELOW}`;
  }

  /** To where the block begins. A window that has become narrower has wrapped its lines. */
  #toStart(): string {
    const { columns } = this.#terminal;
    const height = this.#widths.reduce((sum, width) => sum + Math.max(1, Math.ceil(width / columns)), 0);
    return height === 0 ? "\r" : `\r${ESCAPE}${Math.min(height, rows() - 1)}A`;
  }

  readonly #redraw = (): void => {
    this.#frame = "";
    this.#draw();
  };

  /** Ctrl-Z: the shell is to have a cursor. */
  readonly #suspend = (): void => {
    this.#restore();
    process.kill(process.pid, "SIGSTOP");
  };

  /** After Ctrl-Z the shell has printed something; the block begins anew below. */
  readonly #resume = (): void => {
    this.#widths = [];
    this.#terminal.write(HIDE_CURSOR);
    this.#redraw();
  };

  /** When a process exits, only what is written synchronously is written. */
  readonly #restore = (): void => {
    try {
      writeSync(1, SHOW_CURSOR);
    } catch {
      // The terminal is gone.
    }
  };
}

function rows(): number {
  return process.stdout.rows || 24;
}

/** A locale that is set decides; without one, terminals of today know UTF-8, but for the text console. */
function showsUnicode({ LC_ALL, LC_CTYPE, LANG, TERM }: Environment): boolean {
  const locale = LC_ALL || LC_CTYPE || LANG;
  if (TERM === "linux") return false;
  return locale === undefined || locale === "" || process.platform === "win32" || /utf-?8/i.test(locale);
}

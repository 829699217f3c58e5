import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { LinesView } from "../../src/output/lines.ts";
import { LiveView } from "../../src/output/live.ts";
import type { Flight, Standing } from "../../src/transfer/observation.ts";

const HIDE = "\u001b[?25l";
const SHOW = "\u001b[?25h";

const standing = (bytesUploaded: number): Standing => ({
  filesTotal: 2,
  filesUploaded: 0,
  filesFailed: 0,
  filesPending: 2,
  bytesTotal: 1_000,
  bytesUploaded,
  fraction: bytesUploaded / 1_000,
  rate: 0,
  etaSeconds: null,
});

function screen(columns = 80) {
  const writes: string[] = [];
  const terminal = {
    isTerminal: true,
    hasColors: false,
    columns,
    write: (text: string) => void writes.push(text),
    style: (_style: string, text: string) => text,
  };
  return { terminal, writes };
}

const sight = () => ({
  standing: undefined as Standing | undefined,
  flights: new Map<string, Flight>(),
  isScanning: false,
  waiting: "",
});

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe("the live view", () => {
  test("draws at most ten times a second, each time with one write, and not when nothing is new", () => {
    const seen = sight();
    const { terminal, writes } = screen();
    const view = new LiveView(seen, terminal, {});
    writes.length = 0;
    for (let n = 1; n <= 1_000; n++) {
      seen.standing = standing(n);
      vi.advanceTimersByTime(1);
    }
    expect(writes.length).toBeLessThanOrEqual(10);
    writes.length = 0;
    vi.advanceTimersByTime(10_000);
    expect(writes).toEqual([]);
    view.end();
  });

  test("goes back over exactly what it has drawn, also when the window has become narrower", () => {
    const seen = sight();
    seen.standing = standing(500);
    seen.flights.set("a", { path: "a.bin", size: 900, bytes: 100 });
    const { terminal, writes } = screen();
    const view = new LiveView(seen, terminal, {});
    seen.standing = standing(600);
    vi.advanceTimersByTime(100);
    expect(writes.at(-1)?.startsWith("\r\u001b[3A")).toBe(true);
    // The bar's line has 56 columns, that of the files 12, that of the file 79.
    terminal.columns = 40;
    process.stdout.emit("resize");
    expect(writes.at(-1)?.startsWith("\r\u001b[5A")).toBe(true);
    view.end();
  });

  test("a note comes above the block, in one write with it", () => {
    const seen = sight();
    seen.standing = standing(500);
    const { terminal, writes } = screen();
    const view = new LiveView(seen, terminal, {});
    writes.length = 0;
    view.note("failed a.bin");
    expect(writes).toHaveLength(1);
    expect(writes[0]?.startsWith("\r\u001b[2Afailed a.bin\u001b[K\n")).toBe(true);
    expect(writes[0]).toContain("50 %");
    view.end();
  });

  test("shows the cursor again at the end, and when the process exits before", () => {
    const listeners = process.listenerCount("exit");
    const { terminal, writes } = screen();
    const view = new LiveView(sight(), terminal, {});
    expect(writes.join("")).toContain(HIDE);
    expect(process.listenerCount("exit")).toBe(listeners + 1);
    view.end();
    view.end();
    expect(writes.filter((text) => text.includes(SHOW))).toHaveLength(1);
    expect(process.listenerCount("exit")).toBe(listeners);
  });
});

describe("the lines", () => {
  test("come ever less often, and only when there is news", () => {
    const seen = sight();
    const { terminal, writes } = screen();
    const view = new LinesView(seen, terminal);
    for (let second = 1; second <= 300; second++) {
      seen.standing = standing(second);
      vi.advanceTimersByTime(1_000);
    }
    expect(writes[0]).toBe("0 %, 2 B of 1.0 kB, 0 of 2 files\n");
    expect(writes.length).toBeGreaterThan(10);
    expect(writes.length).toBeLessThan(20);
    writes.length = 0;
    vi.advanceTimersByTime(300_000);
    expect(writes.length).toBeLessThanOrEqual(1);
    view.end();
  });

  test("the last one comes at the end, once", () => {
    const seen = sight();
    seen.standing = standing(1_000);
    const { terminal, writes } = screen();
    const view = new LinesView(seen, terminal);
    view.end();
    view.end();
    expect(writes).toEqual(["100 %, 1.0 kB of 1.0 kB, 0 of 2 files\n"]);
  });
});

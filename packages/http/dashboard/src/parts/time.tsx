import type { JSX } from "preact";
import { now } from "../state/clock.ts";
import { distance, local } from "../text/format.ts";

/** A point in time in the reader's own zone; the title has it in full. */
export function Time({ at, ago = false }: { at: string; ago?: boolean }): JSX.Element {
  const time = Date.parse(at);
  return (
    <time dateTime={at} title={at}>
      {ago ? distance(time, now.value) : local(time, now.value)}
    </time>
  );
}

import { setTimeout as sleep } from "node:timers/promises";
import { Child } from "./child.ts";
import type { ListenerAnswers } from "./listeners.ts";
import type { LiveAnswers } from "./live-host.ts";
import type { Options } from "./options.ts";

const RATES = [20, 200, 1000];
const WARM_UP_RATE = 200;
const SECONDS = 5;

export interface RateCost {
  /** Events per second that there were. */
  readonly rate: number;
  /** Microseconds of CPU per event, of the service alone and with one stream and with all. */
  readonly cpu: { readonly none: number; readonly one: number; readonly all: number };
  /** Of the event loop with all streams, in milliseconds. */
  readonly delay: { readonly p99: number; readonly max: number };
  /** Events that streams got, of those that they should have. */
  readonly delivered: number;
}

export interface LiveCost {
  readonly streams: number;
  readonly rates: readonly RateCost[];
  /** Bytes of the resident set. */
  readonly memoryPerStream: number;
}

/** What an event costs the service with no stream, with one, and with all. */
export async function measureLive({ streams, profiles }: Options): Promise<LiveCost> {
  const host = new Child<LiveAnswers>("live-host.ts", profiles);
  const listeners = new Child<ListenerAnswers>("listeners.ts");
  try {
    const { url } = await host.ask("start");
    const tell = async (rate: number) => {
      const told = await host.ask("tell", { rate, seconds: SECONDS });
      // Until the last events have arrived.
      await sleep(500);
      return { ...told, perEvent: (told.cpuSeconds * 1e6) / told.events };
    };
    await tell(WARM_UP_RATE);
    const none = [];
    for (const rate of RATES) none.push(await tell(rate));
    await listeners.ask("open", { url, count: 1 });
    const one = [];
    for (const rate of RATES) one.push(await tell(rate));
    const before = await host.ask("memory");
    await listeners.ask("open", { url, count: streams - 1 });
    const after = await host.ask("memory");
    await tell(WARM_UP_RATE);
    const rates: RateCost[] = [];
    for (const [index, rate] of RATES.entries()) {
      await listeners.ask("heard");
      const all = await tell(rate);
      rates.push({
        rate: all.events / all.seconds,
        cpu: { none: none[index]?.perEvent ?? 0, one: one[index]?.perEvent ?? 0, all: all.perEvent },
        delay: all.delay,
        delivered: (await listeners.ask("heard")) / (all.events * streams),
      });
    }
    return { streams, rates, memoryPerStream: (after - before) / Math.max(1, streams - 1) };
  } finally {
    await listeners.end();
    await host.end();
  }
}

import { beforeEach, describe, expect, test } from "vitest";
import { Bandwidth, type Share } from "../src/bandwidth.ts";
import { FakeClock } from "../src/testing/fake-clock.ts";
import { forSeeds } from "./support/random.ts";

const never = new AbortController().signal;

let clock: FakeClock;
beforeEach(() => {
  clock = new FakeClock();
});

/** Sends bodies of the size one after the other, for ever. @returns when each began, and how large it was */
function pump(share: Share, size: () => number): { at: number; bytes: number }[] {
  const sent: { at: number; bytes: number }[] = [];
  const time = clock;
  const run = async () => {
    for (;;) {
      const bytes = size();
      const wait = share.take(bytes, never);
      await wait;
      sent.push({ at: time.monotonic(), bytes });
      // Something that takes no time at all would never let go.
      if (!wait) await time.sleep(1);
    }
  };
  void run();
  return sent;
}

const total = (sent: readonly { bytes: number }[]) => sent.reduce((sum, { bytes }) => sum + bytes, 0);

function limited(limit: number | null, own: number | null = null, id = "u"): Share {
  const share = new Bandwidth(clock, limit).share(id);
  share.setLimit(own);
  return share;
}

describe("bytes per second", () => {
  test.each([
    [1_000, 10],
    [1_000, 700],
    [100_000, 9_000],
    [5_000_000, 5_242_880],
  ])("limit %i in bodies of %i, over a minute", async (limit, size) => {
    for (const share of [limited(limit), limited(null, limit), limited(limit * 3, limit), limited(limit, limit * 3)]) {
      const sent = pump(share, () => size);
      await clock.advance(60_000);
      expect(total(sent)).toBeGreaterThanOrEqual(limit * 60);
      expect(total(sent)).toBeLessThanOrEqual(limit * 61 + size);
    }
  });

  test("a body much larger than a second's worth goes, and those behind it wait until it is paid for", async () => {
    const sent = pump(limited(null, 100), () => 5_000);
    await clock.advance(160_000);
    // The first second's worth was saved up.
    expect(sent.map(({ at }) => at)).toEqual([0, 49_000, 99_000, 149_000]);
  });

  test("in no stretch of time is there more than the rate, one second's worth and one body", async () => {
    await forSeeds(20, async (dice) => {
      clock = new FakeClock();
      const limit = dice.pick([500, 2_000, 10_000]);
      const share = limited(dice.pick([null, limit, limit * 2]), limit);
      const largest = dice.pick([300, 2_000, 20_000]);
      const sent = pump(share, () => dice.int(Math.ceil(largest / 2), largest));
      for (let pause = 0; pause < 5; pause++) await clock.advance(dice.int(1, 5_000));
      // Bytes before a body, less what the rate allows up to it: the least so far is where the worst stretch begins.
      let [before, least] = [0, Number.POSITIVE_INFINITY];
      for (const { at, bytes } of sent) {
        least = Math.min(least, before - (limit * at) / 1_000);
        before += bytes;
        expect(before - (limit * at) / 1_000 - least).toBeLessThanOrEqual(limit + largest + 1e-6);
      }
    });
  });

  test("what was not sent after all is given back, what is sent again counts again", async () => {
    const bandwidth = new Bandwidth(clock, 1_000);
    const share = bandwidth.share("u");
    await share.take(5_000, never);
    const behind = share.take(10, never);
    expect(behind).toBeInstanceOf(Promise);
    share.refund(5_000);
    await behind;
    const body = Buffer.alloc(3_000);
    share.own(body);
    bandwidth.resent(body);
    bandwidth.resent(Buffer.alloc(9_000));
    let served = false;
    void share.take(1, never)?.then(() => (served = true));
    await clock.advance(2_000);
    expect(served).toBe(false);
    await clock.advance(100);
    expect(served).toBe(true);
  });

  test("no limit, no wait and no timer", () => {
    const share = limited(null);
    for (let n = 0; n < 100; n++) expect(share.take(1e9, never)).toBeUndefined();
    expect([share.delay, clock.sleeping]).toEqual([0, 0]);
  });
});

describe("whose turn it is", () => {
  /** Who is served in which order when everybody asks at once for bodies of 1,000 bytes. */
  async function order(limit: number, asked: readonly { id: string; priority?: number; own?: number }[]) {
    const bandwidth = new Bandwidth(clock, limit);
    expect(bandwidth.share("first").take(10 * limit, never)).toBeUndefined();
    const served: string[] = [];
    for (const [index, { id, priority = 0, own = null }] of asked.entries()) {
      const share = bandwidth.share(id);
      share.priority = priority;
      share.setLimit(own);
      void share.take(1_000, never)?.then(() => served.push(`${id}${index}`));
    }
    await clock.advance(60_000);
    return served;
  }

  test("bodies of one upload in the order in which they came", async () => {
    expect(await order(1_000, [{ id: "a" }, { id: "a" }, { id: "a" }])).toEqual(["a0", "a1", "a2"]);
  });

  test("uploads in turn, however many bodies each has waiting", async () => {
    const asked = ["a", "a", "a", "a", "b", "c"].map((id) => ({ id }));
    expect(await order(1_000, asked)).toEqual(["a0", "b4", "c5", "a1", "a2", "a3"]);
  });

  test("a newcomer does not go before those whose turn it is while the timer is late", async () => {
    let now = 0;
    const late = { now: () => now, monotonic: () => now, sleep: () => new Promise<never>(() => {}) };
    const bandwidth = new Bandwidth(late, 10);
    const [waiting, newcomer] = [bandwidth.share("waiting"), bandwidth.share("newcomer")];
    expect([waiting.take(1, never), newcomer.take(100, never)]).toEqual([undefined, undefined]);
    const second = waiting.take(100, never);
    now = 10_000;
    expect(newcomer.take(100, never)).toBeDefined();
    await second;
  });

  test("what an upload has to pay for is remembered, however many others come", () => {
    const bandwidth = new Bandwidth(clock, null);
    const share = bandwidth.share("u");
    share.setLimit(1);
    expect(share.take(100, never)).toBeUndefined();
    for (let n = 0; n < 5_000; n++) bandwidth.share(`other${n}`);
    expect(bandwidth.share("u").delay).toBeGreaterThan(90_000);
  });

  test("the highest priority first", async () => {
    const asked = [
      { id: "low", priority: -1 },
      { id: "high", priority: 1 },
      { id: "low", priority: -1 },
      { id: "high", priority: 1 },
    ];
    expect(await order(1_000, asked)).toEqual(["high1", "high3", "low0", "low2"]);
  });

  test("an upload that has spent its own limit holds nobody up", async () => {
    const asked = [{ id: "slow", own: 10 }, { id: "slow", own: 10 }, { id: "fast" }, { id: "fast" }];
    expect(await order(1_000, asked)).toEqual(["slow0", "fast2", "fast3"]);
  });
});

describe("while somebody waits", () => {
  test.each([
    ["raised", 10_000, 900],
    ["lifted", null, 0],
  ])("a limit that is %s is felt at once", async (_, limit, wait) => {
    const share = limited(null, 1_000);
    await share.take(10_000, never);
    let servedAt: number | undefined;
    void share.take(1, never)?.then(() => (servedAt = clock.monotonic()));
    await clock.advance(0);
    share.setLimit(limit);
    await clock.advance(wait);
    expect(servedAt).toBe(wait);
  });

  test("a limit that is lowered does not make old debts last longer", async () => {
    const share = limited(null, 1_000_000);
    await share.take(6_000_000, never);
    share.setLimit(10);
    expect(share.delay).toBe(5_000);
  });

  test("an aborted wait ends with the signal's reason, and the next in line is served in time", async () => {
    const share = limited(null, 1_000);
    await share.take(3_000, never);
    const stop = new AbortController();
    const leaving = share.take(50_000, stop.signal);
    let servedAt: number | undefined;
    void share.take(1, never)?.then(() => (servedAt = clock.monotonic()));
    stop.abort(new Error("enough"));
    await expect(leaving).rejects.toThrow("enough");
    await clock.advance(10_000);
    expect(servedAt).toBe(2_000);
    expect(() => share.take(1, stop.signal)).toThrow("enough");
    expect(clock.sleeping).toBe(0);
  });

  test("the wall clock may be set either way", async () => {
    const sent = pump(limited(1_000), () => 100);
    await clock.advance(10_000);
    clock.step(-86_400_000);
    await clock.advance(10_000);
    clock.step(2 * 86_400_000);
    await clock.advance(10_000);
    expect(total(sent) / 30_000).toBeCloseTo(1.03, 1);
  });
});

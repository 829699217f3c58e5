import type { Notice, NoticeQuery, Upload, UploadState } from "@bucketline/core";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type FiguresOptions, readFigures } from "../../src/operations/ledger-figures.ts";
import { Bed, BUCKET } from "../support/bed.ts";

let bed: Bed;
let model: Upload;
beforeEach(async () => {
  bed = await Bed.open({ started: false });
  await bed.write("a/one");
  model = await bed.service.register({ id: "model", sourceFolder: `${bed.root}/a`, bucket: BUCKET });
});
afterEach(async () => {
  await bed.close();
});

type Query = NonNullable<Parameters<FiguresOptions["service"]["list"]>[0]>;

/** A ledger of so many uploads in each state, which are made up page by page, and of notices. */
function ledgerOf(counts: Partial<Record<UploadState, number>>, notices: readonly Partial<Notice>[] = []) {
  const pages: Query[] = [];
  const list = async (query: Query = {}) => {
    pages.push(query);
    const { states = [], after, limit = 100 } = query;
    const all = states.flatMap((state) => Array.from({ length: counts[state] ?? 0 }, (_, n) => ({ state, n })));
    const from = after === undefined ? 0 : Number(after.split("-")[1]) + 1;
    return all.slice(from, from + limit).map(({ state }, n) => ({ ...model, id: `u-${from + n}`, state }));
  };
  const outbox = {
    ...bed.service.outbox,
    list: async ({ states, limit = 100 }: NoticeQuery = {}) =>
      notices.filter(({ state }) => state !== undefined && states?.includes(state)).slice(0, limit) as Notice[],
  };
  return { service: { list, outbox }, pages };
}

describe("figures of the ledger", () => {
  test("count every upload, in pages", async () => {
    const { service, pages } = ledgerOf({ PENDING: 3, IN_PROGRESS: 450, FAILED: 2, CANCELLED: 7 });
    const { uploads, unnamed, each, cut } = await readFigures({ service, named: 10, subscribers: [] });
    expect(uploads).toEqual({ PENDING: 3, IN_PROGRESS: 450, PAUSED: 0, COMPLETED: 0, FAILED: 2, CANCELLED: 7 });
    expect([each.length, unnamed, cut]).toEqual([10, 445, false]);
    expect(Math.max(...pages.map(({ limit = Number.POSITIVE_INFINITY }) => limit))).toBeLessThanOrEqual(1_000);
  });

  test("end at 10,000 uploads, cancelled ones first to be left out, and say so", async () => {
    const { service, pages } = ledgerOf({ IN_PROGRESS: 9_000, CANCELLED: 2_000_000 });
    const { uploads, cut } = await readFigures({ service, named: 0, subscribers: [] });
    expect([uploads.IN_PROGRESS, uploads.CANCELLED, cut]).toEqual([9_000, 1_000, true]);
    expect(pages.length).toBeLessThan(100);
  });

  test("count notices up to a bound, those of others than the webhooks together", async () => {
    const due = { state: "DUE" } as const;
    const mail = Array.from({ length: 5_000 }, () => ({ ...due, subscriber: "mail" }));
    const dead = [{ state: "DEAD", subscriber: "ops" } as const, { state: "DEAD", subscriber: "x" } as const];
    const { service } = ledgerOf({}, [{ ...due, subscriber: "ops" }, ...mail, ...dead]);
    const { notices } = await readFigures({ service, named: 0, subscribers: ["ops"] });
    expect(notices).toEqual([
      { state: "DUE", subscriber: "ops", count: 1 },
      { state: "DUE", subscriber: "other", count: 999 },
      { state: "DEAD", subscriber: "ops", count: 1 },
      { state: "DEAD", subscriber: "other", count: 1 },
    ]);
  });
});

import { ObjectStoreError } from "@bucketline/core";
import { afterEach, describe, expect, test } from "vitest";
import { Bed, BUCKET } from "../support/bed.ts";
import { ADMIN, AUTH, READER, WRONG } from "../support/credentials.ts";
import { fallibleBed } from "../support/fallible-bed.ts";

let bed: Bed | undefined;
afterEach(async () => {
  await bed?.close();
  bed = undefined;
});

interface Readiness {
  readonly status: string;
  readonly details?: {
    readonly stopping: boolean;
    readonly store: { readonly ok: boolean };
    readonly buckets: readonly { readonly bucket: string; readonly ok: boolean; readonly reason: object | null }[];
    readonly lease: { readonly valid: boolean; readonly age_seconds: number | null };
    readonly monitor: { readonly alive: boolean; readonly watched: number };
    readonly concurrency: object;
  };
}

const down = () =>
  new ObjectStoreError({ kind: "transient", operation: "checkBucket", bucket: BUCKET }, "no route to host.");

const ready = (token?: string) => open().call<Readiness>("/ready", token === undefined ? {} : { token });

function open(): Bed {
  if (!bed) throw new Error("no bed");
  return bed;
}

/** Counts the probes of a bed that has begun. */
function countProbes({ service }: Bed) {
  const probe = service.probe.bind(service);
  const counted = { probes: 0 };
  service.probe = async (options) => {
    counted.probes += 1;
    return await probe(options);
  };
  return counted;
}

describe("/health", () => {
  test("answers with and without a service that works, and asks nobody", async () => {
    bed = await Bed.open({ started: false, server: { auth: AUTH } });
    const counted = countProbes(bed);
    expect(await bed.call("/health")).toMatchObject({ status: 200, body: { status: "ok" } });
    await bed.service.start();
    expect(await bed.call("/health")).toMatchObject({ status: 200, body: { status: "ok" } });
    await bed.service.stop();
    expect(await bed.call("/health")).toMatchObject({ status: 200, body: { status: "ok" } });
    expect(counted.probes).toBe(0);
  });

  test("answers HEAD, with a slash, and is never kept by a cache", async () => {
    bed = await Bed.open();
    const head = await bed.call("/health", { method: "HEAD" });
    expect([head.status, head.text]).toEqual([200, ""]);
    expect((await bed.call("/health/")).status).toBe(200);
    expect(head.headers.get("cache-control")).toContain("no-store");
    expect((await bed.call("/health", { body: {} })).status).toBe(405);
  });
});

describe("/ready", () => {
  test("says what the service depends on, to those who may read", async () => {
    bed = await Bed.open({ server: { auth: AUTH } });
    await bed.write("a/one");
    await bed.service.register({ id: "u", sourceFolder: `${bed.root}/a`, bucket: BUCKET });
    for (const token of [READER, ADMIN]) {
      const { status, body } = await ready(token);
      expect([status, body.status]).toEqual([200, "ok"]);
      expect(body.details).toMatchObject({
        started: true,
        stopping: false,
        store: { ok: true, reason: null },
        buckets: [{ bucket: BUCKET, ok: true, reason: null }],
        lease: { valid: true },
        monitor: { alive: true, watched: 1 },
        in_flight: expect.any(Number),
        concurrency: { current: 5, limit: 5 },
      });
      expect(JSON.stringify(body)).not.toMatch(/[a-z][A-Z]\w*":/);
    }
    for (const token of [undefined, WRONG]) expect((await ready(token)).body).toEqual({ status: "ok" });
  });

  test("is unavailable before the start and at once when it stops", async () => {
    bed = await Bed.open({ started: false });
    expect(await ready()).toMatchObject({ status: 503, body: { status: "unavailable" } });
    await bed.service.start();
    expect((await ready()).status).toBe(200);
    await bed.service.stop();
    const { status, body } = await ready();
    expect([status, body.status, body.details?.stopping]).toEqual([503, "unavailable", true]);
  });

  test("goes on when one of two buckets does not answer, and says which", async () => {
    const fallible = await fallibleBed();
    ({ bed } = fallible);
    fallible.buckets.create("second");
    await bed.write("a/one");
    for (const bucket of [BUCKET, "second"])
      await bed.service.register({ id: bucket, sourceFolder: `${bed.root}/a`, bucket });
    const when = ({ bucket }: { readonly bucket: string }) => bucket === BUCKET;
    fallible.objects.inject({ method: "checkBucket", times: Number.POSITIVE_INFINITY, when, before: down });
    const { status, body } = await ready();
    expect([status, body.status]).toEqual([200, "ok"]);
    expect(body.details?.buckets).toEqual([
      { bucket: BUCKET, ok: false, reason: { code: "STORE_UNAVAILABLE", message: expect.any(String) } },
      { bucket: "second", ok: true, reason: null },
    ]);
  });

  test("is unavailable when no bucket answers, and says so to nobody without a credential", async () => {
    const fallible = await fallibleBed({ server: { auth: AUTH } });
    ({ bed } = fallible);
    await bed.write("a/one");
    await bed.service.register({ id: "u", sourceFolder: `${bed.root}/a`, bucket: BUCKET });
    fallible.objects.inject({ method: "checkBucket", times: Number.POSITIVE_INFINITY, before: down });
    expect(await ready()).toMatchObject({ status: 503, body: { status: "unavailable" } });
    expect((await ready()).body).not.toHaveProperty("details");
    expect((await ready(READER)).body.details?.buckets).toMatchObject([{ bucket: BUCKET, ok: false }]);
  });

  test("is unavailable when the ledger does not answer, and answers in time", async () => {
    const fallible = await fallibleBed();
    ({ bed } = fallible);
    const hang = fallible.state.inject({ method: "listUploads", times: Number.POSITIVE_INFINITY, hang: "before" });
    const { status, body } = await ready();
    expect([status, body.details?.store.ok, body.details?.buckets]).toEqual([503, false, []]);
    hang.remove();
  });

  test("any number of callers cost one probe a second", async () => {
    bed = await Bed.open();
    const counted = countProbes(bed);
    const answers = await Promise.all(Array.from({ length: 50 }, () => ready()));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    expect(counted.probes).toBeGreaterThan(0);
    expect(counted.probes).toBeLessThan(10);
  });
});

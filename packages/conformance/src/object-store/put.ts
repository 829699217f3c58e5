import assert from "node:assert/strict";
import type { ObjectStoreCases } from "./harness.ts";
import {
  checkAbsent,
  checkObject,
  checkReceipt,
  checksumOf,
  putRequest,
  refused,
  sha256Of,
  someBytes,
  textBytes,
} from "./objects.ts";

export const putCases: ObjectStoreCases = {
  "a put object is there, whole and with its token": async (harness) => {
    const request = putRequest(harness, "a", someBytes(70_000));
    const receipt = await harness.store.putObject(request);
    checkReceipt(harness.store, receipt, request.checksum);
    await checkObject(harness, request.key, { bytes: request.body, token: request.token, etag: receipt.etag });
  },

  "an object may be empty": async (harness) => {
    const request = putRequest(harness, "empty", new Uint8Array(0));
    checkReceipt(harness.store, await harness.store.putObject(request), request.checksum);
    await checkObject(harness, request.key, { bytes: request.body, token: request.token });
  },

  "there are no facts of an object that is not there": async (harness) => {
    await checkAbsent(harness, putRequest(harness, "nobody", textBytes("")).key);
  },

  "a second put replaces the first": async (harness) => {
    const first = await harness.store.putObject(putRequest(harness, "a", textBytes("first"), { token: "1" }));
    const request = putRequest(harness, "a", textBytes("the second"), { token: "2" });
    const second = await harness.store.putObject(request);
    assert.notEqual(second.etag, first.etag);
    await checkObject(harness, request.key, { bytes: request.body, token: "2", etag: second.etag });
  },

  "bytes that do not have their checksum are refused, and nothing becomes visible": async (harness) => {
    if (!harness.store.capabilities.checksums) return;
    const wrong = { checksum: checksumOf(textBytes("other bytes")) };
    const request = putRequest(harness, "a", textBytes("bytes"), wrong);
    await refused(harness.store.putObject(request), "integrity");
    await checkAbsent(harness, request.key);
    const stands = putRequest(harness, "b", textBytes("stands"));
    await harness.store.putObject(stands);
    await refused(harness.store.putObject(putRequest(harness, "b", textBytes("bytes"), wrong)), "integrity");
    await checkObject(harness, stands.key, { bytes: stands.body, token: stands.token });
  },

  "a SHA-256 that comes along is believed by no store that uses it": async (harness) => {
    const { store } = harness;
    const body = textBytes("body");
    const request = putRequest(harness, "a", body, { sha256: sha256Of(body) });
    checkReceipt(store, await store.putObject(request), request.checksum);
    await checkObject(harness, request.key, { bytes: body, token: request.token });
    if (!store.usesSha256?.(harness.bucket)) return;
    const wrong = putRequest(harness, "b", body, { sha256: sha256Of(textBytes("other")) });
    await assert.rejects(store.putObject(wrong));
    await checkAbsent(harness, wrong.key);
  },

  "If-None-Match lets only the first put pass": async (harness) => {
    if (!harness.store.capabilities.conditionalWrites) return;
    const condition = { ifNoneMatch: "*" } as const;
    const first = putRequest(harness, "a", textBytes("first"), { condition, token: "1" });
    await harness.store.putObject(first);
    const second = putRequest(harness, "a", textBytes("second"), { condition, token: "2" });
    await refused(harness.store.putObject(second), "precondition");
    await checkObject(harness, first.key, { bytes: first.body, token: "1" });
  },

  "If-Match replaces only the object it names": async (harness) => {
    if (!harness.store.capabilities.conditionalWrites) return;
    const first = await harness.store.putObject(putRequest(harness, "a", textBytes("first")));
    const condition = { ifMatch: first.etag };
    const second = putRequest(harness, "a", textBytes("second"), { condition, token: "2" });
    await harness.store.putObject(second);
    const third = putRequest(harness, "a", textBytes("third"), { condition, token: "3" });
    await refused(harness.store.putObject(third), "precondition");
    await checkObject(harness, second.key, { bytes: second.body, token: "2" });
    await refused(
      harness.store.putObject(putRequest(harness, "b", textBytes("b"), { condition })),
      "notFound",
      "precondition",
    );
  },

  "a store without conditional writes refuses a condition": async (harness) => {
    if (harness.store.capabilities.conditionalWrites) return;
    const request = putRequest(harness, "a", textBytes("a"), { condition: { ifNoneMatch: "*" } });
    await refused(harness.store.putObject(request), "unsupported");
    await checkAbsent(harness, request.key);
  },

  "of puts at the same time under If-None-Match one passes": async (harness) => {
    if (!harness.store.capabilities.conditionalWrites) return;
    const condition = { ifNoneMatch: "*" } as const;
    const requests = [1, 2, 3, 4, 5].map((n) =>
      putRequest(harness, "a", someBytes(1000, n), { condition, token: `${n}` }),
    );
    const outcomes = await Promise.allSettled(requests.map((request) => harness.store.putObject(request)));
    const passed = requests.filter((_, index) => outcomes[index]?.status === "fulfilled");
    assert.equal(passed.length, 1);
    for (const outcome of outcomes) {
      if (outcome.status === "rejected") await refused(Promise.reject(outcome.reason), "precondition", "conflict");
    }
    await checkObject(harness, passed[0]!.key, { bytes: passed[0]!.body, token: passed[0]!.token });
  },

  "the caller may reuse its buffer once the put has settled": async (harness) => {
    const body = someBytes(100_000);
    const request = putRequest(harness, "a", body);
    await harness.store.putObject(request);
    const sent = Uint8Array.from(body);
    body.fill(0);
    await checkObject(harness, request.key, { bytes: sent, token: request.token });
  },

  "a body may be a window of a larger buffer": async (harness) => {
    const window = someBytes(10_000).subarray(123, 4567);
    const request = putRequest(harness, "a", window);
    await harness.store.putObject(request);
    await checkObject(harness, request.key, { bytes: window, token: request.token });
  },

  "another handle sees a put at once": async (harness) => {
    const other = await harness.another();
    const request = putRequest(harness, "a", someBytes(1_000));
    await harness.store.putObject(request);
    await checkObject({ ...harness, store: other }, request.key, { bytes: request.body, token: request.token });
    const second = putRequest(harness, "a", someBytes(2_000), { token: "2" });
    await other.putObject(second);
    await checkObject(harness, request.key, { bytes: second.body, token: "2" });
  },

  "a put that is aborted on its way gives the signal's reason, or is done": async (harness) => {
    const reason = new Error("stop");
    for (let turns = 0; turns < 5; turns++) {
      const stop = new AbortController();
      const request = putRequest(harness, `${turns}`, someBytes(100_000, turns + 1), { signal: stop.signal });
      const put = harness.store.putObject(request).then(
        () => "done",
        (error: unknown) => error,
      );
      for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve));
      stop.abort(reason);
      const outcome = await put;
      if (outcome === "done") await checkObject(harness, request.key, { bytes: request.body, token: request.token });
      else assert.equal(outcome, reason);
    }
  },

  "a token comes back as it was, whatever it is": async (harness) => {
    for (const token of ["0f8fad5b-d9cb-469f-a165-70867728950e", "a/b+c=d", "x".repeat(128)]) {
      const request = putRequest(harness, "a", textBytes(token), { token });
      await harness.store.putObject(request);
      await checkObject(harness, request.key, { bytes: request.body, token });
    }
  },
};

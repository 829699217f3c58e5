import assert from "node:assert/strict";
import type { ObjectStoreCases, ObjectStoreHarness } from "./harness.ts";
import { address, checkObject, completeRequest, putRequest, sendPart, someBytes, textBytes } from "./objects.ts";

const METADATA = {
  plain: "a value",
  "with-dash": "ünïcödé ☃ 🗻",
  spaces: "  kept  ",
  long: "é".repeat(100),
  odd: "=?UTF-8?B?4pg=?=",
};

const SETTINGS = { contentType: "text/csv; charset=utf-8", cacheControl: "max-age=60", metadata: METADATA };

/** The object is there, with its bytes, its token and, where that can be seen, its settings. */
async function checkSettings(harness: ObjectStoreHarness, key: string, bytes: Uint8Array): Promise<void> {
  await checkObject(harness, key, { bytes, token: "t" });
  const stored = await harness.read?.(key);
  if (!stored) return;
  assert.equal(stored.contentType, SETTINGS.contentType);
  assert.equal(stored.cacheControl, SETTINGS.cacheControl);
  for (const [name, value] of Object.entries(METADATA)) assert.equal(stored.metadata?.[name], value, name);
}

export const settingCases: ObjectStoreCases = {
  "a put keeps its settings with the object": async (harness) => {
    const request = putRequest(harness, "a", textBytes("a,b"), { settings: SETTINGS, token: "t" });
    await harness.store.putObject(request);
    await checkSettings(harness, request.key, request.body);
  },

  "a multipart upload keeps the settings that it began with": async (harness) => {
    const { store } = harness;
    const target = address(harness, "a");
    const begun = { ...target, ...(await store.createMultipart({ ...target, settings: SETTINGS, token: "t" })) };
    const bytes = textBytes("a,b");
    const parts = [await sendPart(store, begun, 1, bytes)];
    await store.completeMultipart(completeRequest(begun, parts, bytes));
    await checkSettings(harness, begun.key, bytes);
  },

  "a stream keeps its settings, whether it has one part or several": async (harness) => {
    const { minPartSize } = harness.store.capabilities;
    for (const bytes of [textBytes("a,b"), someBytes(2 * minPartSize + 5)]) {
      async function* body() {
        yield bytes;
      }
      const target = address(harness, `${bytes.length}`);
      const request = { ...target, body: body(), partSize: minPartSize, settings: SETTINGS, token: "t" };
      await harness.store.putStream(request);
      await checkSettings(harness, target.key, bytes);
    }
  },
};

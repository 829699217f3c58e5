import assert from "node:assert/strict";
import type { ObjectStoreCases } from "./harness.ts";
import {
  address,
  begin,
  checkAbsent,
  checkObject,
  completeRequest,
  openMultiparts,
  putRequest,
  refused,
  sendPart,
  textBytes,
} from "./objects.ts";

/** Names that URLs, XML, shells and file systems are known to mangle. All are different keys. */
export const HOSTILE: readonly string[] = [
  "a b",
  "a+b",
  "a%20b",
  "a%2Fb",
  "a%b",
  "a//b",
  "a/b",
  "trailing/",
  "a/../b",
  "b",
  "./b",
  "../b",
  "c/.",
  "c/..",
  "line\nbreak",
  "carriage\rreturn",
  "tab\there",
  "?query=1&other=2#fragment",
  '<tag attribute="value">&amp;\'',
  "back\\slash",
  "~!*'()-_.,:;@=$[]{}|^`",
  "ünïcödé",
  "u\u0308ni\u0308co\u0308de\u0301",
  "雪だるま/☃/🗻",
  " leading and trailing ",
];

export const keyCases: ObjectStoreCases = {
  "every key names an object of its own": async (harness) => {
    for (const name of HOSTILE)
      await harness.store.putObject(putRequest(harness, name, textBytes(name), { token: "t" }));
    for (const name of HOSTILE) {
      await checkObject(harness, address(harness, name).key, { bytes: textBytes(name), token: "t" });
    }
  },

  "keys are not normalised": async (harness) => {
    await harness.store.putObject(putRequest(harness, "x/../y//z", textBytes("here")));
    for (const name of ["y/z", "y//z", "x/../y/z", "x/%2E%2E/y//z"])
      await checkAbsent(harness, address(harness, name).key);
  },

  "a key may start with a slash": async (harness) => {
    for (const key of ["/", "//", `/${harness.prefix ?? ""}a`]) {
      if (harness.prefix) continue;
      await harness.store.putObject({ ...putRequest(harness, "", textBytes(key), { token: "t" }), key });
      await checkObject(harness, key, { bytes: textBytes(key), token: "t" });
    }
  },

  "multipart uploads keep such keys too": async (harness) => {
    const names = HOSTILE.filter((name) => !name.endsWith("/"));
    for (const name of names) await begin(harness, name);
    const found = await openMultiparts(harness.store, harness.bucket, harness.prefix ?? "");
    const keys = names.map((name) => address(harness, name).key);
    assert.deepEqual(found.map(({ key }) => key).sort(), keys.sort());
    for (const begun of found) {
      const bytes = textBytes(begun.key);
      const part = await sendPart(harness.store, begun, 1, bytes);
      await harness.store.completeMultipart(completeRequest(begun, [part], bytes));
      await checkObject(harness, begun.key, {
        bytes,
        token: `token of ${begun.key.slice((harness.prefix ?? "").length)}`,
      });
    }
  },

  "a key has at most 1,024 bytes": async (harness) => {
    const room = 1024 - Buffer.byteLength(harness.prefix ?? "");
    const longest = putRequest(
      harness,
      "é".repeat(Math.floor(room / 2)).padEnd(room - Math.floor(room / 2), "x"),
      textBytes("a"),
      {
        token: "t",
      },
    );
    assert.equal(Buffer.byteLength(longest.key), 1024);
    await harness.store.putObject(longest);
    await checkObject(harness, longest.key, { bytes: longest.body, token: "t" });
    const longer = { ...longest, key: `${longest.key}x` };
    await refused(harness.store.putObject(longer), "rejected");
  },
};

import { PutObjectCommand } from "@aws-sdk/client-s3";
import { expect, test } from "vitest";
import { examineBucket } from "../../src/doctor/bucket/checks.ts";
import { BUCKET, examine, leftIn, openSandbox, openSession, troubleOf } from "./examination.ts";

const HOUR_MS = 3_600_000;

/** From among the some hundred requests of an examination. */
test.each([3, 6, 12, 18, 24, 30, 36, 42, 48, 56, 64])("interrupted at request %i, nothing stays", async (nth) => {
  const sandbox = await openSandbox();
  const stop = new AbortController();
  const reason = new Error("Ctrl-C");
  sandbox.fault({
    nth,
    action: () => {
      stop.abort(reason);
      return undefined;
    },
  });
  await expect(examine(sandbox, { signal: stop.signal })).rejects.toBe(reason);
  expect(leftIn(sandbox)).toEqual([]);
  expect(sandbox.requests.filter(({ outcome }) => outcome !== "answered")).toEqual([]);
});

test("a second interruption does not wait, and what stays is said", async () => {
  const sandbox = await openSandbox();
  const [stop, cut] = [new AbortController(), new AbortController()];
  const reason = new Error("Ctrl-C");
  sandbox.fault({
    operation: "UploadPart",
    action: () => {
      stop.abort(reason);
      cut.abort(reason);
      return { type: "silence" };
    },
  });
  const { session } = await openSession(sandbox, { signal: stop.signal, cut: cut.signal });
  const warnings: string[] = [];
  const examined = examineBucket(
    session,
    () => {},
    (text) => void warnings.push(text),
  );
  await expect(examined).rejects.toBe(reason);
  expect(warnings).toEqual([
    expect.stringContaining("could not be removed altogether. The next run removes what is a day old."),
  ]);
  expect(leftIn(sandbox).length).toBeGreaterThan(0);
});

test("what an earlier run left is removed once it is a day old", async () => {
  let now = Date.now();
  const sandbox = await openSandbox({ clock: () => new Date(now) });
  const { session } = await openSession(sandbox);
  await session.put("left", Buffer.from("x"));
  await session.begin("left in parts");
  const mine = { Bucket: BUCKET, Key: "mine", Body: "x" };
  await session.client.send(new PutObjectCommand(mine));
  await examine(sandbox);
  expect(leftIn(sandbox)).toHaveLength(3);
  now += 25 * HOUR_MS;
  const examined = await examine(sandbox);
  expect(troubleOf(examined)).toEqual([
    expect.stringMatching(/^problem clock: This machine's clock is 1 d \d h behind/),
  ]);
  expect(leftIn(sandbox)).toEqual(["mine"]);
});

test("what somebody else is examining at the same time stays", async () => {
  const sandbox = await openSandbox();
  const { session } = await openSession(sandbox);
  await session.put("theirs", Buffer.from("x"));
  await examine(sandbox);
  expect(leftIn(sandbox)).toEqual([`${session.prefix}theirs`]);
});

import { describe, expect, test } from "vitest";
import { IN_FLIGHT_BYTES, stored, uploadToTheEnd, uploadWithKills } from "./kill/kills.ts";
import { readLedger, readOutcome } from "./kill/outcome.ts";
import { readSendings } from "./kill/sendings.ts";
import { killTransforms } from "./kill/transform-kills.ts";
import { Trial } from "./kill/trial.ts";

const SPEC = { smallFiles: 400, bigBytes: 60 * 1024 * 1024 + 12_345 };
const TIMEOUT_MS = 300_000;

/** Everything is there, nothing is left over, and the ledger knows it. */
async function expectWhole(trial: Trial): Promise<void> {
  const outcome = await readOutcome(trial);
  expect(outcome).toMatchObject({ wrong: [], strange: [], multiparts: [], disagreeing: [], state: "COMPLETED" });
  expect(outcome.objects).toBe(trial.files.length);
  expect(outcome.counters.UPLOADED.files).toBe(trial.files.length);
}

/** Nothing was sent again that had been stored; what was on its way at a kill may have been. */
function expectNoWaste(trial: Trial, kills: number): void {
  const sent = readSendings(trial.log.records);
  expect(sent.needless).toEqual([]);
  const sourceBytes = trial.files.reduce((sum, { size }) => sum + size, 0);
  expect(sent.bytes).toBeGreaterThanOrEqual(sourceBytes);
  expect(sent.bytes - sourceBytes).toBeLessThanOrEqual(kills * IN_FLIGHT_BYTES);
  expect(sent.filled).toEqual(sent.completed);
  expect(sent.completed).toHaveLength(1);
  // One is begun in vain when a kill falls between its beginning and the record of it.
  expect(sent.begun).toBe(1 + sent.aborted.length);
  expect(sent.begun).toBeLessThanOrEqual(1 + kills);
}

describe("an uploader process that is killed", { timeout: TIMEOUT_MS }, () => {
  test("ends, after five SIGKILLs on the way, with what an undisturbed one would have made", async () => {
    await using trial = await Trial.open(SPEC);
    expect(await uploadWithKills(trial, 5)).toBe(5);
    await expectWhole(trial);
    expectNoWaste(trial, 5);
  });

  test("makes one whole output of every file that is compressed and encrypted on its way", async () => {
    const { line, good } = await killTransforms(6, 3, { smallFiles: 40, bigBytes: 24 * 1024 * 1024 });
    expect(good, line).toBe(true);
  });

  test("survives SIGKILLs before it has sent anything, and during recovery", async () => {
    await using trial = await Trial.open(SPEC);
    let kills = 0;
    const kill = async (stage: string) => {
      const uploader = trial.upload();
      await uploader.line(stage);
      expect(await uploader.signal("SIGKILL")).toMatchObject({ signal: "SIGKILL" });
      kills++;
    };
    await kill("registered");
    await kill("started");
    kills += await uploadUntil(trial, 0.4);
    for (const stage of ["registered", "started", "started", "registered"]) await kill(stage);
    for (const requests of [1, 2, 5]) kills += await killAfter(trial, requests);
    await uploadToTheEnd(trial);
    await expectWhole(trial);
    expectNoWaste(trial, kills);
  });

  test("finds out what became of requests whose answers it did not live to see", async () => {
    const put = "small/000/00100.bin";
    const unanswered = [
      { operation: "CreateMultipartUpload" },
      { operation: "UploadPart", partNumber: 3 },
      { operation: "PutObject", key: put },
      { operation: "CompleteMultipartUpload" },
    ] as const;
    await using trial = await Trial.open(SPEC, unanswered);
    const unheard = () => trial.log.records.filter(({ outcome }) => outcome === "silent");
    for (const kill of unanswered.keys()) {
      const uploader = trial.upload();
      expect(await trial.log.until(() => unheard().length > kill, uploader.ended)).toBe(true);
      expect(await uploader.signal("SIGKILL")).toMatchObject({ signal: "SIGKILL" });
    }
    await uploadToTheEnd(trial);
    expect(
      unheard()
        .map(({ operation }) => operation)
        .toSorted(),
    ).toEqual(unanswered.map(({ operation }) => operation).toSorted());
    await expectWhole(trial);
    expectNoWaste(trial, unanswered.length);
    const sent = readSendings(trial.log.records);
    expect(sent.overlapped).toEqual([]);
    expect(sent.begun).toBe(2);
  });

  test("sends nothing when everything is there", async () => {
    await using trial = await Trial.open({ smallFiles: 20, bigBytes: 6 * 1024 * 1024 });
    await uploadToTheEnd(trial);
    const requests = trial.log.records.length;
    await uploadToTheEnd(trial);
    expect(trial.log.records.slice(requests)).toEqual([]);
  });
});

// Windows has no SIGTERM: there it ends a process as SIGKILL does.
describe.runIf(process.platform !== "win32")(
  "an uploader process that is asked to stop",
  { timeout: TIMEOUT_MS },
  () => {
    test("finishes what is in flight, gives the rest back and ends with 0; the next goes on without a byte sent again", async () => {
      await using trial = await Trial.open(SPEC);
      const uploader = trial.upload();
      expect(await trial.log.until(() => stored(trial) > 0.3, uploader.ended)).toBe(true);
      expect(await uploader.signal("SIGTERM")).toEqual({ code: 0, signal: null });
      trial.log.read();
      expect(stored(trial)).toBeLessThan(1);
      const { state, counters } = await readLedger(trial);
      expect(state).toBe("IN_PROGRESS");
      expect(counters.IN_PROGRESS.files).toBe(0);
      expect(counters.PENDING.files).toBeGreaterThan(0);
      await uploadToTheEnd(trial);
      await expectWhole(trial);
      expectNoWaste(trial, 0);
    });
  },
);

async function uploadUntil(trial: Trial, share: number): Promise<1> {
  const uploader = trial.upload();
  expect(await trial.log.until(() => stored(trial) >= share, uploader.ended)).toBe(true);
  expect(await uploader.signal("SIGKILL")).toMatchObject({ signal: "SIGKILL" });
  return 1;
}

/** Kills an uploader as soon as so many of its requests are answered. */
async function killAfter(trial: Trial, requests: number): Promise<1> {
  const uploader = trial.upload();
  const before = trial.log.records.length;
  expect(await trial.log.until(() => trial.log.records.length >= before + requests, uploader.ended)).toBe(true);
  expect(await uploader.signal("SIGKILL")).toMatchObject({ signal: "SIGKILL" });
  return 1;
}

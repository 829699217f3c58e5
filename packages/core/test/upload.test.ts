import { describe, expect, test } from "vitest";
import {
  canReduceUpload,
  FINISHED_STATES,
  reduceUpload,
  type ScanSummary,
  UPLOAD_STATES,
  UPLOAD_TRANSITIONS,
  type UploadAction,
  type UploadState,
} from "../src/upload.ts";
import { upload } from "./support/records.ts";

const reason = { code: "ACCESS_DENIED", message: "m" } as const;
const scan: ScanSummary = {
  startedAt: 1,
  finishedAt: 2,
  seen: 3,
  added: 1,
  changed: 0,
  removed: 0,
  skipped: 0,
  complete: true,
  unstable: 0,
  device: "1",
  doubt: null,
};

const ACTIONS: { readonly [Type in UploadAction["type"]]: Extract<UploadAction, { type: Type }> } = {
  start: { type: "start" },
  adjust: { type: "adjust", settings: {} },
  locate: { type: "locate", location: "http://here:9000" },
  scan: { type: "scan", owner: "o" },
  scanned: { type: "scanned", scan },
  complete: { type: "complete" },
  fail: { type: "fail", reason },
  reopen: { type: "reopen" },
  pause: { type: "pause" },
  resume: { type: "resume" },
  cancel: { type: "cancel" },
  cleaned: { type: "cleaned" },
};

const LEADS: { readonly [Type in UploadAction["type"]]: Partial<Record<UploadState, UploadState>> } = {
  start: { PENDING: "IN_PROGRESS" },
  adjust: {
    PENDING: "PENDING",
    IN_PROGRESS: "IN_PROGRESS",
    COMPLETED: "COMPLETED",
    FAILED: "FAILED",
    PAUSED: "PAUSED",
  },
  locate: {
    PENDING: "PENDING",
    IN_PROGRESS: "IN_PROGRESS",
    COMPLETED: "COMPLETED",
    FAILED: "FAILED",
    PAUSED: "PAUSED",
    CANCELLED: "CANCELLED",
  },
  scan: { PENDING: "PENDING", IN_PROGRESS: "IN_PROGRESS", COMPLETED: "COMPLETED", FAILED: "FAILED" },
  scanned: {
    PENDING: "PENDING",
    IN_PROGRESS: "IN_PROGRESS",
    COMPLETED: "COMPLETED",
    FAILED: "FAILED",
    PAUSED: "PAUSED",
  },
  complete: { IN_PROGRESS: "COMPLETED" },
  fail: { PENDING: "FAILED", IN_PROGRESS: "FAILED", COMPLETED: "FAILED" },
  reopen: { COMPLETED: "IN_PROGRESS", FAILED: "IN_PROGRESS" },
  pause: { PENDING: "PAUSED", IN_PROGRESS: "PAUSED", COMPLETED: "PAUSED", FAILED: "PAUSED" },
  resume: { PAUSED: "IN_PROGRESS" },
  cancel: {
    PENDING: "CANCELLED",
    IN_PROGRESS: "CANCELLED",
    COMPLETED: "CANCELLED",
    FAILED: "CANCELLED",
    PAUSED: "CANCELLED",
  },
  cleaned: { CANCELLED: "CANCELLED" },
};

const cases = Object.values(ACTIONS).flatMap((action) =>
  UPLOAD_STATES.map((state) => ({ action, state, to: LEADS[action.type][state] })),
);

test("every action has a transition, and CANCELLED is final", () => {
  expect(Object.keys(UPLOAD_TRANSITIONS).sort()).toEqual(Object.keys(ACTIONS).sort());
  for (const { from, to } of Object.values(UPLOAD_TRANSITIONS))
    if (to !== null) expect(from).not.toContain("CANCELLED");
});

describe("reduceUpload", () => {
  test.each(cases.filter(({ to }) => to === undefined))("$state cannot $action.type", ({ action, state }) => {
    expect(canReduceUpload({ ...upload(), state }, action.type)).toBe(false);
    const refused = expect.objectContaining({ name: "BucketlineError", code: "INVALID_TRANSITION" });
    expect(() => reduceUpload({ ...upload(), state }, action, 9)).toThrow(refused);
  });

  test.each(cases.filter(({ to }) => to !== undefined))(
    "$action.type leads from $state to $to",
    ({ action, state, to }) => {
      const old = {
        ...upload(),
        state,
        finishedAt: FINISHED_STATES.includes(state) ? 3 : null,
        reason: state === "FAILED" ? reason : null,
        cleanupDue: state === "CANCELLED",
      };
      const copy = structuredClone(old);
      const next = reduceUpload(old, action, 9);
      expect(old).toEqual(copy);
      expect(next).toMatchObject({ state: to, revision: 2, updatedAt: 9, createdAt: 0, id: "u", spec: old.spec });
      expect(next.reason).toEqual(to === "FAILED" ? reason : null);
      expect(next.finishedAt).toBe(FINISHED_STATES.includes(to as UploadState) ? (to === state ? 3 : 9) : null);
      expect(next.lastScan).toEqual(action.type === "scanned" ? scan : null);
      const keepsDue = action.type === "locate" && old.cleanupDue;
      expect(next.cleanupDue).toBe(action.type === "cancel" || keepsDue);
    },
  );
});

test("adjust changes the settings it names, and no other", () => {
  const settings = { priority: 3, bandwidthLimit: 1_000 };
  const { spec } = upload();
  expect(reduceUpload(upload(), { type: "adjust", settings }, 9).spec).toEqual({ ...spec, ...settings });
});

test("a scan is its owner's until it is over, and an unfinished one leaves the last summary", () => {
  const scanning = reduceUpload({ ...upload(), lastScan: scan }, { type: "scan", owner: "o" }, 9);
  expect(scanning).toMatchObject({ scanner: "o", lastScan: scan });
  expect(reduceUpload(scanning, { type: "scanned", scan: null }, 9)).toMatchObject({ scanner: null, lastScan: scan });
});

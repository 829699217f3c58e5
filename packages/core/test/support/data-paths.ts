import { beforeEach, describe } from "vitest";
import type { DataPathName } from "../../src/s3/choose-data-path.ts";

let current: DataPathName = "direct";

/** The data path that the running test is about. */
export function dataPath(): DataPathName {
  return current;
}

/** Runs the cases once per data path; stores are to be made with `dataPath: dataPath()`. */
export function onBothPaths(name: string, cases: () => void): void {
  describe.each(["direct", "sdk"] as const)(`${name} (%s)`, (path) => {
    beforeEach(() => {
      current = path;
      return () => {
        current = "direct";
      };
    });
    cases();
  });
}

import { defineConfig } from "tsup";

export default defineConfig({
  entry: {
    index: "src/index.ts",
    "memory/index": "src/memory/index.ts",
    "s3/index": "src/s3/index.ts",
    "testing/index": "src/testing/index.ts",
    "tracing/index": "src/tracing/index.ts",
    // Worker threads, started by their URLs.
    "source-thread": "src/source-thread.ts",
    "walk-thread": "src/walk-thread.ts",
    "watch-thread": "src/watch-thread.ts",
  },
  format: "esm",
  target: "node22",
  dts: true,
  sourcemap: true,
  clean: true,
});

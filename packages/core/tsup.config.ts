import { defineConfig } from "tsup";

export default defineConfig({
  entry: { index: "src/index.ts", "s3/index": "src/s3/index.ts", "testing/index": "src/testing/index.ts" },
  format: "esm",
  target: "node22",
  dts: true,
  sourcemap: true,
  clean: true,
});

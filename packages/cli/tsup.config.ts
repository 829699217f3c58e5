import { defineConfig } from "tsup";

export default defineConfig({
  entry: ["src/main.ts", "src/index.ts"],
  dts: { entry: "src/index.ts" },
  format: "esm",
  target: "node22",
  // Commands are loaded when they are called: --help need not wait for the AWS SDK.
  splitting: true,
  sourcemap: true,
  clean: true,
});

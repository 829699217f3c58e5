import { stateStoreCases } from "@bucketline/conformance";
import { test } from "vitest";
import { openHarness } from "./folder.ts";

for (const { name, run } of stateStoreCases({ open: openHarness })) test(name, run);

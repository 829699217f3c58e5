import { stateStoreCases } from "@bucketline/conformance";
import { test } from "vitest";
import { openVersion1 } from "./first-version.ts";
import { openHarness } from "./folder.ts";

const older = { "migration 1": openVersion1 };

for (const { name, run } of stateStoreCases({ open: openHarness, older })) test(name, run);

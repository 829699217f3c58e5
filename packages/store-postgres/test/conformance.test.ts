import { stateStoreCases } from "@bucketline/conformance";
import { test } from "vitest";
import { openHarness, usePostgres } from "./database.ts";
import { openVersion1 } from "./first-version.ts";

usePostgres();

const older = { "migration 1": openVersion1 };

for (const { name, run } of stateStoreCases({ open: () => openHarness(), older })) test(name, run);

import { stateStoreCases } from "@bucketline/conformance";
import { test } from "vitest";
import { openHarness, usePostgres } from "./database.ts";

usePostgres();

for (const { name, run } of stateStoreCases({ open: () => openHarness() })) test(name, run);

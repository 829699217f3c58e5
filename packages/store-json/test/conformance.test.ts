import { stateStoreCases } from "@bucketline/conformance";
import { test } from "vitest";
import { openBeforeNotices } from "./before-notices.ts";
import { openHarness } from "./folder.ts";

const older = { "before notices": openBeforeNotices };

for (const { name, run } of stateStoreCases({ open: openHarness, older })) test(name, run);

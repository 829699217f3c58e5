import type { ConformanceCase } from "../case.ts";
import { capabilityCases } from "./capabilities.ts";
import { conditionCases } from "./conditions.ts";
import { deleteCases } from "./delete.ts";
import { errorCases } from "./errors.ts";
import type { ObjectStoreCases, ObjectStoreHarness } from "./harness.ts";
import { keyCases } from "./keys.ts";
import { listingCases } from "./listing.ts";
import { multipartCases } from "./multipart.ts";
import { pagingCases } from "./paging.ts";
import { putCases } from "./put.ts";
import { settingCases } from "./settings.ts";
import { streamCases } from "./streams.ts";

export type { ObjectStoreHarness, ReadObject } from "./harness.ts";

/** What the cases need from an adapter of an object store. */
export interface ObjectStoreSuite {
  /** A store on a bucket that holds nothing under the harness's prefix; called once per case. */
  open(): Promise<ObjectStoreHarness>;
}

const GROUPS: Readonly<Record<string, ObjectStoreCases>> = {
  capabilities: capabilityCases,
  put: putCases,
  delete: deleteCases,
  settings: settingCases,
  keys: keyCases,
  listing: listingCases,
  multipart: multipartCases,
  conditions: conditionCases,
  paging: pagingCases,
  stream: streamCases,
  errors: errorCases,
};

/** Their cases make a thousand requests and more. */
const SLOW: readonly string[] = ["paging"];

/**
 * What every ObjectStore must pass, whatever it talks to. What a store does not offer, its capabilities say. Each case
 * closes its handles, also when it fails; cases may run in any order and, under prefixes of their own, in parallel.
 */
export function objectStoreCases({ open }: ObjectStoreSuite): ConformanceCase[] {
  return Object.entries(GROUPS).flatMap(([group, cases]) =>
    Object.entries(cases).map(([name, check]) => ({
      name: `${group}: ${name}`,
      slow: SLOW.includes(group),
      run: async () => {
        const harness = await open();
        try {
          await check(harness);
        } finally {
          await harness.close();
        }
      },
    })),
  );
}

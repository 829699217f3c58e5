import type { ConformanceCase } from "../case.ts";
import { errorCases } from "./errors.ts";
import type { ObjectStoreCases, ObjectStoreHarness } from "./harness.ts";
import { keyCases } from "./keys.ts";
import { listingCases } from "./listing.ts";
import { multipartCases } from "./multipart.ts";
import { putCases } from "./put.ts";
import { streamCases } from "./streams.ts";

export type { ObjectStoreHarness, ReadObject } from "./harness.ts";

export interface ObjectStoreSuite {
  /** A store on a bucket that holds nothing under the harness's prefix; called once per case. */
  open(): Promise<ObjectStoreHarness>;
}

const GROUPS: Readonly<Record<string, ObjectStoreCases>> = {
  put: putCases,
  keys: keyCases,
  listing: listingCases,
  multipart: multipartCases,
  stream: streamCases,
  errors: errorCases,
};

/**
 * What every ObjectStore must pass, whatever it talks to. What a store does not offer, its capabilities say. Each case
 * closes its handles, also when it fails; cases may run in any order and, under prefixes of their own, in parallel.
 */
export function objectStoreCases({ open }: ObjectStoreSuite): ConformanceCase[] {
  return Object.entries(GROUPS).flatMap(([group, cases]) =>
    Object.entries(cases).map(([name, check]) => ({
      name: `${group}: ${name}`,
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

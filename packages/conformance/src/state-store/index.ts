import type { ConformanceCase } from "../case.ts";
import { claimCases } from "./claim.ts";
import { commitCases } from "./commit.ts";
import { counterCases } from "./counters.ts";
import type { StateStoreCases, StateStoreHarness } from "./harness.ts";
import { hostileCases } from "./hostile.ts";
import { leaseCases } from "./lease.ts";
import { pagingCases } from "./paging.ts";
import { partCases } from "./parts.ts";
import { reopenCases } from "./reopen.ts";
import { twoHandleCases } from "./two-handles.ts";
import { uploadCases } from "./uploads.ts";

export type { StateStoreHarness } from "./harness.ts";

export interface StateStoreSuite {
  /** A fresh, empty, open state; called once per case. */
  open(): Promise<StateStoreHarness>;
}

const GROUPS: Readonly<Record<string, StateStoreCases>> = {
  uploads: uploadCases,
  commit: commitCases,
  parts: partCases,
  counters: counterCases,
  paging: pagingCases,
  claim: claimCases,
  lease: leaseCases,
  hostile: hostileCases,
  reopen: reopenCases,
  "two handles": twoHandleCases,
};

/**
 * What every StateStore must pass, whatever it is built on. Each case opens a state of its own and closes it, also when
 * it fails; cases may run in any order and in parallel.
 */
export function stateStoreCases({ open }: StateStoreSuite): ConformanceCase[] {
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

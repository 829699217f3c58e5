import type { ConformanceCase } from "../case.ts";
import { batchCases } from "./batches.ts";
import { claimCases } from "./claim.ts";
import { commitCases } from "./commit.ts";
import { contentionCases } from "./contention.ts";
import { counterCases } from "./counters.ts";
import { fenceCases } from "./fence.ts";
import type { StateStoreCases, StateStoreHarness } from "./harness.ts";
import { hintCases } from "./hints.ts";
import { hostileCases } from "./hostile.ts";
import { leaseCases } from "./lease.ts";
import { manyCases } from "./many.ts";
import { checkOlder, type OlderState } from "./migrations.ts";
import { noticeCases } from "./notices.ts";
import { pagingCases } from "./paging.ts";
import { partCases } from "./parts.ts";
import { reopenCases } from "./reopen.ts";
import { twoHandleCases } from "./two-handles.ts";
import { uploadCases } from "./uploads.ts";

export type { StateStoreHarness } from "./harness.ts";
export type { OlderState } from "./migrations.ts";

/** What the cases need from an adapter of a state store. */
export interface StateStoreSuite {
  /** A fresh, empty, open state; called once per case. */
  open(): Promise<StateStoreHarness>;
  /** By a name of the version: opens a state that this version has written. Each makes one case. */
  readonly older?: Readonly<Record<string, () => Promise<OlderState>>>;
}

const GROUPS: Readonly<Record<string, StateStoreCases>> = {
  uploads: uploadCases,
  commit: commitCases,
  batches: batchCases,
  parts: partCases,
  counters: counterCases,
  paging: pagingCases,
  claim: claimCases,
  lease: leaseCases,
  fence: fenceCases,
  notices: noticeCases,
  hostile: hostileCases,
  reopen: reopenCases,
  "two handles": twoHandleCases,
  contention: contentionCases,
  hints: hintCases,
  many: manyCases,
};

const SLOW: readonly string[] = ["contention", "hints", "many"];

/**
 * What every StateStore must pass, whatever it is built on. What a store does not offer (`subscribe`, a second handle) is
 * not asked of it. Each case opens a state of its own and closes it, also when it fails; cases may run in any order and in
 * parallel.
 */
export function stateStoreCases({ open, older = {} }: StateStoreSuite): ConformanceCase[] {
  const cases = Object.entries(GROUPS).flatMap(([group, checks]) =>
    Object.entries(checks).map(([name, check]) => ({
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
  const migrations = Object.entries(older).map(([version, openOlder]) => ({
    name: `migrations: a state of ${version} opens, is exact, and goes on`,
    slow: false,
    run: async () => {
      const state = await openOlder();
      try {
        await checkOlder(state);
      } finally {
        await state.harness.close();
      }
    },
  }));
  return [...cases, ...migrations];
}

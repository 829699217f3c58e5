import { onTestFinished } from "vitest";
import { BreakingProxy } from "./breaking-proxy.ts";
import { address } from "./database.ts";

export type { Cut } from "./breaking-proxy.ts";

/** Closed when the running test ends. */
export async function startProxy(): Promise<BreakingProxy> {
  const proxy = await BreakingProxy.open(address());
  onTestFinished(() => proxy.close());
  return proxy;
}

import type { UploadService } from "@bucketline/core";
import { CommandError } from "../errors.ts";
import { printable } from "../output/printable.ts";
import { codeToExit } from "./outcome.ts";

const TIMEOUT_MS = 10_000;

/**
 * Asks the buckets that uploads of the service need, so that one that cannot be reached is told at once and not after all
 * attempts for the first files.
 * @throws CommandError with the code of what is wrong with the first such bucket
 */
export async function refuseUnreachable(service: UploadService, signal: AbortSignal): Promise<void> {
  const { buckets } = await service.probe({ signal, timeout: TIMEOUT_MS });
  const wrong = buckets.find(({ ok, reason }) => !ok && reason?.code !== "STORE_THROTTLED");
  if (!wrong?.reason) return;
  const { code, message } = wrong.reason;
  throw new CommandError(code, codeToExit(code), printable(message), {
    remedy: "Nothing was sent. Check network, endpoint and credentials; `bucketline doctor` looks closer.",
  });
}

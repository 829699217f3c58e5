import type { Engine } from "./engine.ts";
import type { Emit } from "./events.ts";
import { refuseCancelled } from "./refusals.ts";
import type { UploadRecord } from "./upload.ts";
import { type VerificationReport, type VerifyOptions, verifyUpload } from "./verification.ts";

export interface VerificationRunContext {
  readonly engine: Pick<Engine, "uploads" | "context">;
  readonly emit: Emit;
  /** Aborts when the service is stopped for good. */
  readonly cut: AbortSignal;
  /** The upload has work again. */
  readonly goOn: (upload: UploadRecord) => void;
  /** @throws ServiceError `SERVICE_STOPPED` */
  readonly refuseIfStopped: () => void;
}

/** Verifies an upload of a service, which goes on with what is repaired. @throws as `UploadService.verify` */
export async function runVerification(
  { engine: { uploads, context }, emit, cut, goOn, refuseIfStopped }: VerificationRunContext,
  id: string,
  options: VerifyOptions,
): Promise<VerificationReport> {
  const upload = await uploads.claim(id);
  if (options.repair) refuseCancelled(upload);
  const reopen = async () => refuseCancelled(await uploads.applyIfAllowed(id, { type: "reopen" }));
  const onWork = async () => void (await reopen());
  const onQueued = async () => goOn(await reopen());
  const signal = options.signal ? AbortSignal.any([options.signal, cut]) : cut;
  try {
    const report = await verifyUpload({ ...options, signal, context, upload, onWork, onQueued });
    emit("upload:verified", () => report);
    return report;
  } catch (error) {
    options.signal?.throwIfAborted();
    if (cut.aborted) refuseIfStopped();
    throw error;
  }
}

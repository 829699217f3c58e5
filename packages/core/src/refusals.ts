import { UploadError } from "./errors.ts";
import { isAtHome, type UploadRecord } from "./upload.ts";

/** @returns the upload @throws UploadError `UPLOAD_CANCELLED` */
export function refuseCancelled<View extends UploadRecord>(upload: View): View {
  if (upload.state !== "CANCELLED") return upload;
  throw new UploadError("UPLOAD_CANCELLED", `Upload ${upload.id} was cancelled, which is final.`);
}

/** @throws UploadError `INVALID_TRANSITION` */
export function refusePaused({ id, state }: UploadRecord): void {
  if (state === "PAUSED") throw new UploadError("INVALID_TRANSITION", `Upload ${id} is PAUSED: resume it first.`);
}

/** @throws UploadError `UPLOAD_ELSEWHERE`, unless the upload's folder is this host's */
export function refuseElsewhere(upload: UploadRecord, host: string): void {
  if (isAtHome(upload, host)) return;
  const { id, spec } = upload;
  throw new UploadError("UPLOAD_ELSEWHERE", `Upload ${id} is bound to host ${spec.host}: ask a service there.`);
}

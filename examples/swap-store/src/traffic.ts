import type { Sandbox } from "@bucketline/s3-sandbox";

/** What has arrived at the sandbox. */
export interface Traffic {
  /** Requests that carried a file or a part. */
  readonly requests: number;
  readonly bytes: number;
  /** Files and parts that came more than once. */
  readonly twice: number;
}

export function trafficOf(sandbox: Sandbox): Traffic {
  const sent = sandbox.requests.filter(({ operation }) => operation === "PutObject" || operation === "UploadPart");
  const different = new Set(sent.map(({ key, partNumber }) => JSON.stringify([key, partNumber])));
  return {
    requests: sent.length,
    bytes: sent.reduce((sum, { payloadBytes }) => sum + payloadBytes, 0),
    twice: sent.length - different.size,
  };
}

/** Tells when so many bytes of files have come, or are just coming. */
export class Arrivals {
  #bytes = 0;
  readonly #waiting: { readonly bytes: number; readonly resolve: () => void }[] = [];

  constructor(sandbox: Sandbox) {
    sandbox.fault({
      operation: ["PutObject", "UploadPart"],
      times: Number.POSITIVE_INFINITY,
      action: ({ headers }) => {
        this.#bytes += Number(headers.get("content-length"));
        for (const { bytes, resolve } of this.#waiting) if (this.#bytes >= bytes) resolve();
        // Nothing goes wrong: it only looks on.
        return undefined;
      },
    });
  }

  reach(bytes: number): Promise<void> {
    return new Promise((resolve) => this.#waiting.push({ bytes, resolve }));
  }
}

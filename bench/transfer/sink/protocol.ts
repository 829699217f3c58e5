/** What the sink's process is asked and what it answers. */
export type Question =
  | { readonly ask: "listen"; readonly tls: { readonly key: string; readonly cert: string } | undefined }
  /** `all`: forgets the objects, too. */
  | { readonly ask: "clear"; readonly all: boolean; readonly delayMs: number }
  | { readonly ask: "read" };

export interface Ports {
  readonly http: number;
  readonly https: number | undefined;
}

/** What has come in since the last `clear`. */
export interface Reading {
  /** Objects there are, and their bytes. */
  readonly objects: number;
  readonly bytes: number;
  readonly requests: number;
  readonly bytesReceived: number;
  /** Of the sink's own process. */
  readonly cpuSeconds: number;
}

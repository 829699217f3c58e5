import type { ClientConfig, FaultCall, RequestRecord, Sandbox } from "@bucketline/s3-sandbox";
import { startSandbox } from "@bucketline/s3-sandbox";

/** A request with the run of the host that sent it, such as `h2.1`. */
export type Request = RequestRecord & { readonly sender: string };

const REQUEST_LIMIT = 1_000_000;
const RECENT = 1_000;
const CARRIES_FILE: ReadonlySet<string> = new Set(["PutObject", "UploadPart"]);
const SENDER = /\bh\d+\.\d+\b/;

/** The S3 of a trial: slow, as it is told, and remembering who sent what. */
export class Bucket {
  readonly name = "shared";
  /** Milliseconds that a request waits before it is carried out. */
  delayMs: (carriesFile: boolean) => number = () => 0;
  /** Files and parts that were sent, repeated ones included. */
  sent = 0;
  readonly #sandbox: Sandbox;
  readonly #senders = new Map<number, string>();

  private constructor(sandbox: Sandbox) {
    this.#sandbox = sandbox;
    sandbox.fault({ times: Number.POSITIVE_INFINITY, action: (call) => this.#meet(call) });
  }

  static async open(minPartSize: number): Promise<Bucket> {
    return new Bucket(await startSandbox({ buckets: ["shared"], minPartSize, requestLimit: REQUEST_LIMIT }));
  }

  get client(): ClientConfig {
    return this.#sandbox.clientConfig;
  }

  /** In order of arrival. */
  get requests(): readonly Request[] {
    return this.#sandbox.requests.map((record) => ({ ...record, sender: this.#senders.get(record.n) ?? "" }));
  }

  /** Whether a file or a part of the sender's is on its way. */
  isSending(sender: string): boolean {
    return this.#sandbox.requests
      .slice(-RECENT)
      .some(
        ({ n, operation, outcome }) =>
          outcome === undefined && CARRIES_FILE.has(operation) && this.#senders.get(n) === sender,
      );
  }

  /** Senders of the latest parts of unfinished multipart uploads. */
  sendingInParts(): Set<string> {
    const open = new Set(
      this.#sandbox
        .multipartUploads(this.name)
        .filter(({ parts }) => parts.length > 0)
        .map(({ uploadId }) => uploadId),
    );
    const last = new Map<string, string>();
    for (const { operation, uploadId = "", n } of this.#sandbox.requests)
      if (operation === "UploadPart" && open.has(uploadId)) last.set(uploadId, this.#senders.get(n) ?? "");
    return new Set(last.values());
  }

  objects() {
    return this.#sandbox.objects(this.name);
  }

  object(key: string) {
    return this.#sandbox.object(this.name, key);
  }

  /** Keys of unfinished multipart uploads. */
  unfinished(): string[] {
    return this.#sandbox.multipartUploads(this.name).map(({ key }) => key);
  }

  async close(): Promise<void> {
    await this.#sandbox.close();
  }

  #meet({ n, headers, operation }: FaultCall) {
    this.#senders.set(n, SENDER.exec(headers.get("user-agent") ?? "")?.[0] ?? "");
    const carriesFile = CARRIES_FILE.has(operation);
    if (carriesFile) this.sent++;
    return { type: "delay", ms: this.delayMs(carriesFile) } as const;
  }
}

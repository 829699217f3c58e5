import { isBucketName } from "./buckets.ts";
import { Catalog } from "./catalog.ts";
import type { Dialect } from "./dialect.ts";
import { SandboxError } from "./errors.ts";
import { type FaultHandle, type FaultOptions, FaultTable } from "./faults.ts";
import { Inspection, type ObjectView, type UploadView } from "./inspection.ts";
import { RequestLedger, type RequestRecord } from "./requests.ts";
import { S3Server } from "./server.ts";
import { Service, type Settings } from "./service.ts";
import type { SandboxCredentials } from "./signature.ts";
import { openDirectory } from "./storage/directory.ts";
import { MemoryStorage } from "./storage/memory.ts";
import type { Storage } from "./storage/storage.ts";

/**
 * The key pair that is valid when no other is configured. Not frozen, because the AWS SDK marks the object it is given.
 */
export const DEFAULT_CREDENTIALS: SandboxCredentials = {
  accessKeyId: "sandbox-access-key",
  secretAccessKey: "sandbox-secret-key",
};
/** The region that requests must be signed for. */
export const DEFAULT_REGION = "us-east-1";
/** The account that owns every bucket, as `x-amz-expected-bucket-owner` must name it. */
export const DEFAULT_OWNER_ID = "123456789012";
/** Smallest size in bytes of every part but the last, as in S3: 5 MiB. */
export const DEFAULT_MIN_PART_SIZE = 5 * 1024 * 1024;
/** How many requests are kept for tests to look at; older ones go. */
export const DEFAULT_REQUEST_LIMIT = 100_000;

/** Settings of `startSandbox`. */
export interface SandboxOptions {
  /** TCP port; 0 picks a free one. Default 0. */
  port?: number;
  /** Address to listen on. Default 127.0.0.1. */
  host?: string;
  /** `"memory"` (default), or a directory whose contents survive the process. */
  storage?: "memory" | { directory: string };
  /** Buckets to have at the start; existing ones are left as they are. */
  buckets?: readonly string[];
  /** Default `DEFAULT_CREDENTIALS`. */
  credentials?: SandboxCredentials;
  /** Default us-east-1. */
  region?: string;
  /** Default `DEFAULT_OWNER_ID`. */
  ownerId?: string;
  /** Used for signature skew, expiry and every time stored. Default: the system clock. */
  clock?: () => Date;
  /** Smallest size in bytes of every part but the last. Default 5 MiB. */
  minPartSize?: number;
  /** Where it is to fall short of S3, as other stores do. Default: nowhere. */
  dialect?: Dialect;
  /** How many requests `requests` keeps. Default 100,000. */
  requestLimit?: number;
  /** File that gets every finished request as one JSON line, before its answer leaves. */
  requestLog?: string;
}

/** Options to spread into `new S3Client({ … })`. */
export interface ClientConfig {
  endpoint: string;
  region: string;
  credentials: SandboxCredentials;
  forcePathStyle: true;
}

/** A running S3 server. Close it, or hold it with `await using`. */
export interface Sandbox extends AsyncDisposable {
  /** Base URL, such as `http://127.0.0.1:34567`. */
  readonly endpoint: string;
  readonly port: number;
  readonly region: string;
  readonly credentials: SandboxCredentials;
  readonly clientConfig: ClientConfig;
  /** Requests in order of arrival, including those in progress; the oldest are dropped beyond `requestLimit`. */
  readonly requests: readonly RequestRecord[];
  clearRequests(): void;
  /** Makes matching requests misbehave. Several faults may apply to one request. */
  fault(options: FaultOptions): FaultHandle;
  clearFaults(): void;
  /**
   * Creates a bucket if there is none of that name. @throws SandboxError SANDBOX_INVALID_OPTION for an impossible name
   */
  createBucket(name: string): void;
  /** Names of the buckets, sorted. */
  buckets(): string[];
  /** One object with its bytes, or undefined. @throws SandboxError SANDBOX_UNKNOWN_BUCKET */
  object(bucket: string, key: string): Promise<(ObjectView & { body: Buffer }) | undefined>;
  /** Objects in listing order, without their bytes. @throws SandboxError SANDBOX_UNKNOWN_BUCKET */
  objects(bucket: string): ObjectView[];
  /** Unfinished multipart uploads with their parts, by key and time. @throws SandboxError SANDBOX_UNKNOWN_BUCKET */
  multipartUploads(bucket: string): UploadView[];
  /** Stops at once: open connections are cut. May be called again. */
  close(): Promise<void>;
}

function openStorage(option: SandboxOptions["storage"], catalog: Catalog): Storage {
  if (option === undefined || option === "memory") return new MemoryStorage();
  return openDirectory(option.directory, catalog);
}

function addBucket(service: Service, name: string): void {
  if (service.catalog.buckets.has(name)) return;
  if (!isBucketName(name)) {
    throw new SandboxError(
      "SANDBOX_INVALID_OPTION",
      `"${name}" is not a bucket name: use 3 to 63 lower-case letters, digits, dots and hyphens.`,
    );
  }
  service.commit({ type: "bucketCreated", bucket: name, at: service.now() });
}

function readSettings(options: SandboxOptions): Settings {
  return {
    region: options.region ?? DEFAULT_REGION,
    ownerId: options.ownerId ?? DEFAULT_OWNER_ID,
    minPartSize: options.minPartSize ?? DEFAULT_MIN_PART_SIZE,
    dialect: { ...options.dialect },
    clock: options.clock ?? (() => new Date()),
  };
}

type Step = () => void | Promise<void>;

/**
 * Undoes what was opened, last first. A step that fails does not keep the others from running; its error comes at the
 * end.
 */
async function closeAll(steps: readonly Step[]): Promise<void> {
  const errors: unknown[] = [];
  for (const step of steps.toReversed()) {
    try {
      await step();
    } catch (error) {
      errors.push(error);
    }
  }
  if (errors.length > 0) throw errors[0];
}

/**
 * Starts an S3 server on the loopback interface.
 *
 * @throws SandboxError SANDBOX_DIRECTORY_IN_USE when another process serves the directory,
 * SANDBOX_DIRECTORY_CORRUPT or SANDBOX_DIRECTORY_UNSUPPORTED when its contents cannot be trusted,
 * SANDBOX_INVALID_OPTION for an impossible bucket name. Errors of listening come as Node.js gives them.
 */
export async function startSandbox(options: SandboxOptions = {}): Promise<Sandbox> {
  const steps: Step[] = [];
  try {
    const catalog = new Catalog();
    const storage = openStorage(options.storage, catalog);
    steps.push(() => storage.close());
    const ledger = new RequestLedger({
      limit: options.requestLimit ?? DEFAULT_REQUEST_LIMIT,
      logPath: options.requestLog,
    });
    steps.push(() => ledger.close());
    const service = new Service(catalog, storage, readSettings(options));
    for (const name of options.buckets ?? []) addBucket(service, name);
    const credentials = { ...(options.credentials ?? DEFAULT_CREDENTIALS) };
    const { region, clock } = service.settings;
    const faults = new FaultTable();
    const server = new S3Server({ service, faults, ledger, verifier: { credentials, region, clock } });
    const host = options.host ?? "127.0.0.1";
    const { port } = await server.listen(options.port ?? 0, host);
    steps.push(() => server.close());
    return createSandbox({ service, faults, ledger, credentials, host, port, steps });
  } catch (error) {
    await closeAll(steps);
    throw error;
  }
}

interface SandboxParts {
  service: Service;
  faults: FaultTable;
  ledger: RequestLedger;
  credentials: SandboxCredentials;
  host: string;
  port: number;
  steps: readonly Step[];
}

function createSandbox({ service, faults, ledger, credentials, host, port, steps }: SandboxParts): Sandbox {
  const address = host === "0.0.0.0" || host === "::" ? "127.0.0.1" : host;
  const endpoint = `http://${address.includes(":") ? `[${address}]` : address}:${port}`;
  const { region } = service.settings;
  const inspection = new Inspection(service);
  let closed: Promise<void> | undefined;
  const close = (): Promise<void> => {
    closed ??= closeAll(steps);
    return closed;
  };
  return {
    endpoint,
    port,
    region,
    credentials,
    get clientConfig() {
      return { endpoint, region, credentials: { ...credentials }, forcePathStyle: true } as const;
    },
    get requests() {
      return ledger.records;
    },
    clearRequests: () => ledger.clear(),
    fault: (fault) => faults.add(fault),
    clearFaults: () => faults.clear(),
    createBucket: (name) => addBucket(service, name),
    buckets: () => inspection.buckets(),
    object: (bucket, key) => inspection.object(bucket, key),
    objects: (bucket) => inspection.objects(bucket),
    multipartUploads: (bucket) => inspection.multipartUploads(bucket),
    close,
    [Symbol.asyncDispose]: close,
  };
}

import { Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import type { SecureContextOptions } from "node:tls";
import { S3Client, type S3ClientConfig } from "@aws-sdk/client-s3";
import { NodeHttpHandler, type NodeHttpHandlerOptions } from "@smithy/node-http-handler";

/** How our own client connects. */
export interface S3ConnectionOptions {
  /** How long establishing a connection may take, in milliseconds. Default 10,000. */
  readonly connectionTimeoutMs?: number;
  /**
   * How long a connection may be silent while a request is under way, in milliseconds. Default 60,000. For
   * CompleteMultipartUpload at least 600,000: S3 may be silent for minutes while it puts an object together.
   */
  readonly idleTimeoutMs?: number;
  /** Most connections to one endpoint; further requests wait. Default 256. */
  readonly maxSockets?: number;
  /**
   * Whether bodies are part of the signature (one SHA-256 more per body). Always so over http. Default false: over https
   * TLS keeps them whole on the wire and the checksum in the store. True suits buckets whose policy refuses
   * `UNSIGNED-PAYLOAD`.
   */
  readonly signBodies?: boolean;
  /** Certificates of the authorities that the store's own is checked against. Default: those that Node.js trusts. */
  readonly ca?: SecureContextOptions["ca"];
}

/** The options with their defaults. */
interface Connection {
  readonly connectionTimeoutMs: number;
  readonly idleTimeoutMs: number;
  readonly maxSockets: number;
  readonly signBodies: boolean;
  readonly ca: SecureContextOptions["ca"] | undefined;
}

/** Clients that do nothing but what their connection says, and the middleware they began with. */
const plainClients = new WeakMap<S3Client, { readonly connection: Connection; readonly middleware: string }>();

/** Longer than the deadline decorator gives CompleteMultipartUpload: that one decides. */
const COMPLETE_IDLE_MS = 600_000;

/**
 * A client whose requests do what the port promises: one attempt each, timeouts that throw, connections kept alive,
 * bodies in one piece with a checksum in the header.
 *
 * Where it differs from the SDK's defaults, and why:
 * - `maxAttempts` 1: the retry decorator repeats, and two layers would multiply.
 * - `socketTimeout` rather than `requestTimeout`: the former counts silence, the latter would cut off a large part on a
 *   slow line; hard limits per call are the deadline decorator's.
 * - `requestChecksumCalculation` WHEN_REQUIRED: the default sends checksums the SDK computes, for streams as a trailer
 *   of an aws-chunked body, which several stores do not understand.
 * - `ignoreCache`: the SDK keeps the shared configuration files in memory for good; credentials that were renewed there
 *   would never be seen.
 * - No `Expect: 100-continue`: it costs a round trip per part; with agents of our own the SDK sends the header but does
 *   not wait, so it would be worth nothing; without them it opens a new connection for every such body.
 *
 * Whatever is in `config` wins, `requestHandler` included. Whoever makes it destroys it.
 */
export function createS3Client(config: S3ClientConfig, options: S3ConnectionOptions = {}): S3Client {
  const { connectionTimeoutMs = 10_000, idleTimeoutMs = 60_000, maxSockets = 256, signBodies = false, ca } = options;
  const connection = { connectionTimeoutMs, idleTimeoutMs, maxSockets, signBodies, ca };
  // Not among the declared options, although handed on to every provider of the default chain.
  const fromFiles = { ignoreCache: true };
  const client = new S3Client({
    ...fromFiles,
    maxAttempts: 1,
    requestChecksumCalculation: "WHEN_REQUIRED",
    responseChecksumValidation: "WHEN_REQUIRED",
    expectContinueHeader: false,
    requestHandler: createHandler(connection),
    ...config,
  });
  if (!signBodies) leaveBodiesUnsigned(client);
  if (isPlain(config)) plainClients.set(client, { connection, middleware: middlewareOf(client) });
  return client;
}

/** How the client connects; undefined for one that does more, or other things, than `createS3Client` sees to. */
export function connectionOf(client: S3Client): Connection | undefined {
  const plain = plainClients.get(client);
  return plain && plain.middleware === middlewareOf(client) ? plain.connection : undefined;
}

function middlewareOf(client: S3Client): string {
  return client.middlewareStack.identify().join();
}

/** Options of the SDK that decide where a request goes and who signs it. */
const OF_PLACE: ReadonlySet<string> = new Set(
  (
    "region endpoint profile forcePathStyle useDualstackEndpoint useFipsEndpoint useAccelerateEndpoint useArnRegion " +
    "disableMultiregionAccessPoints disableS3ExpressSessionAuth credentials customUserAgent userAgentAppId"
  ).split(" "),
);

/** Options that change nothing with these values. */
const WITHOUT_EFFECT: ReadonlyMap<string, unknown> = new Map<string, unknown>([
  ["maxAttempts", 1],
  ["expectContinueHeader", false],
  ["requestChecksumCalculation", "WHEN_REQUIRED"],
  ["responseChecksumValidation", "WHEN_REQUIRED"],
]);

/**
 * Any other option, such as `requestHandler`, `logger`, `retryStrategy` or `signer`, works in the SDK's own machinery; and
 * only the SDK asks a function for its value each time.
 */
function isPlain(config: S3ClientConfig): boolean {
  return Object.entries(config).every(([name, value]) => {
    if (value === undefined || WITHOUT_EFFECT.get(name) === value) return true;
    return OF_PLACE.has(name) && (name === "credentials" || typeof value !== "function");
  });
}

function createHandler({ connectionTimeoutMs, idleTimeoutMs, maxSockets, ca }: Connection): NodeHttpHandler {
  const agent = { keepAlive: true, maxSockets };
  const connection = {
    connectionTimeout: connectionTimeoutMs,
    httpAgent: new HttpAgent(agent),
    httpsAgent: new HttpsAgent({ ...agent, ...(ca !== undefined && { ca }) }),
  };
  const patient = new NodeHttpHandler({ ...connection, socketTimeout: Math.max(idleTimeoutMs, COMPLETE_IDLE_MS) });
  return new PatientHandler({ ...connection, socketTimeout: idleTimeoutMs }, patient);
}

/** The SDK has no idle timeout per request, so a second handler on the same connections takes the slow ones. */
class PatientHandler extends NodeHttpHandler {
  readonly #patient: NodeHttpHandler;

  constructor(options: NodeHttpHandlerOptions, patient: NodeHttpHandler) {
    super(options);
    this.#patient = patient;
  }

  override handle(...call: Parameters<NodeHttpHandler["handle"]>): ReturnType<NodeHttpHandler["handle"]> {
    const [{ method, query }] = call;
    const completes = method === "POST" && query?.uploadId !== undefined;
    return completes ? this.#patient.handle(...call) : super.handle(...call);
  }
}

/** The signer takes the payload's hash from this header when it is there. */
function leaveBodiesUnsigned(client: S3Client): void {
  client.middlewareStack.add(
    (next) => (args) => {
      const request = args.request as { protocol?: string; body?: unknown; headers?: Record<string, string> };
      if (request.protocol === "https:" && request.body instanceof Uint8Array && request.headers) {
        request.headers["x-amz-content-sha256"] ??= "UNSIGNED-PAYLOAD";
      }
      return next(args);
    },
    { name: "bucketlineUnsignedPayload", step: "build", override: true },
  );
}

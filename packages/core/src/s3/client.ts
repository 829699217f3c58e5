import { Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent } from "node:https";
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
}

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
  // Not among the declared options, although handed on to every provider of the default chain.
  const fromFiles = { ignoreCache: true };
  const client = new S3Client({
    ...fromFiles,
    maxAttempts: 1,
    requestChecksumCalculation: "WHEN_REQUIRED",
    responseChecksumValidation: "WHEN_REQUIRED",
    expectContinueHeader: false,
    requestHandler: createHandler(options),
    ...config,
  });
  if (!options.signBodies) leaveBodiesUnsigned(client);
  return client;
}

function createHandler(options: S3ConnectionOptions): NodeHttpHandler {
  const agent = { keepAlive: true, maxSockets: options.maxSockets ?? 256 };
  const connection = {
    connectionTimeout: options.connectionTimeoutMs ?? 10_000,
    httpAgent: new HttpAgent(agent),
    httpsAgent: new HttpsAgent(agent),
  };
  const idleMs = options.idleTimeoutMs ?? 60_000;
  const patient = new NodeHttpHandler({ ...connection, socketTimeout: Math.max(idleMs, COMPLETE_IDLE_MS) });
  return new PatientHandler({ ...connection, socketTimeout: idleMs }, patient);
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

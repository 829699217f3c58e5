import { Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import { S3Client, type S3ClientConfig } from "@aws-sdk/client-s3";
import { NodeHttpHandler } from "@smithy/node-http-handler";

/** How our own client connects. */
export interface S3ConnectionOptions {
  /** How long establishing a connection may take, in milliseconds. Default 10,000. */
  readonly connectionTimeoutMs?: number;
  /** How long a connection may be silent while a request is under way, in milliseconds. Default 60,000. */
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
 * - No `Expect: 100-continue`: it costs a round trip per part; with agents of our own the SDK sends the header but does
 *   not wait, so it would be worth nothing; without them it opens a new connection for every such body.
 *
 * Whatever is in `config` wins, `requestHandler` included.
 */
export function createS3Client(config: S3ClientConfig, options: S3ConnectionOptions): S3Client {
  const agent = { keepAlive: true, maxSockets: options.maxSockets ?? 256 };
  const client = new S3Client({
    maxAttempts: 1,
    requestChecksumCalculation: "WHEN_REQUIRED",
    responseChecksumValidation: "WHEN_REQUIRED",
    expectContinueHeader: false,
    requestHandler: new NodeHttpHandler({
      connectionTimeout: options.connectionTimeoutMs ?? 10_000,
      socketTimeout: options.idleTimeoutMs ?? 60_000,
      httpAgent: new HttpAgent(agent),
      httpsAgent: new HttpsAgent(agent),
    }),
    ...config,
  });
  if (!options.signBodies) leaveBodiesUnsigned(client);
  return client;
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

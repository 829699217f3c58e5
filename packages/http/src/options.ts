import type { UploadService } from "@bucketline/core";
import type { FastifyRequest } from "fastify";
import type { Scope } from "./access/scopes.ts";

/** A token that may be sent as `Authorization: Bearer`. Give its hash, so that no configuration holds the token itself. */
export interface TokenOptions {
  /** For logs. */
  readonly name: string;
  /** SHA-256 of the token, 64 hexadecimal digits. */
  readonly sha256: string;
  /** Default: `["read"]`. */
  readonly scopes?: readonly Scope[];
}

/** JSON Web Tokens of an OpenID Connect provider. */
export interface JwtOptions {
  /** Demanded `iss`. */
  readonly issuer: string;
  /** Demanded `aud`. */
  readonly audience: string | readonly string[];
  /** Where the keys are; default: as the issuer's `/.well-known/openid-configuration` says. */
  readonly jwksUrl?: string;
  /** Claim that holds the scopes: a list, or a text with spaces. Default: `scope`. Paths with dots, such as `realm_access.roles`, are followed. */
  readonly scopeClaim?: string;
  /** What stands for our scopes in the claim. Default: `bucketline:read` and `bucketline:admin`. */
  readonly scopeNames?: Partial<Record<Scope, string>>;
  /** Default: RS256, ES256, EdDSA, PS256. Never `none` and never a shared secret. */
  readonly algorithms?: readonly string[];
}

/** Somebody whom the host vouches for. */
export interface HostPrincipal {
  /** For logs, and whom limits and idempotency keys belong to: unique among names of tokens and subjects of JWTs, too. Not a secret. */
  readonly name: string;
  /** None: known, and yet refused. */
  readonly scopes: readonly Scope[];
  /** When the log-in ends, in milliseconds since 1970; event streams end with it. Default: never. */
  readonly expiresAt?: number;
}

type Found = HostPrincipal | null | undefined;

/** At least one of `tokens`, `jwt` and `authenticate`. */
export interface AuthOptions {
  readonly tokens?: readonly TokenOptions[];
  readonly jwt?: JwtOptions;
  /**
   * Says who the host knows the caller to be, by its own cookie, password or proxy; nobody: null or undefined. Asked for each request
   * before its body is read, but for those with a Bearer credential where `tokens` or `jwt` are configured, and those with a session of
   * ours. Everybody it names is taken to come with a browser that sends the credential by itself: changes must show that they come
   * from a page of the same origin. What it throws is answered with 503 `AUTH_UNAVAILABLE`.
   */
  readonly authenticate?: (request: FastifyRequest) => Found | Promise<Found>;
  /** How long a browser stays logged in, in milliseconds; never longer than its credential. Default: 12 hours. */
  readonly sessionAge?: number;
}

/** Who is told of what has happened, by signed requests. Add them before the service starts; see docs/webhooks.md. */
export interface WebhookOptions {
  /** Names the subscriber in the ledger, where what it must be told waits. `[A-Za-z0-9._-]{1,64}` */
  readonly name: string;
  /** `https:` or `http:`, without user and password. What it has behind a `?` is never shown. */
  readonly url: string;
  /** Standard Webhooks secret: `whsec_` and base 64 of 24 to 64 bytes. Several: while one is replaced by another, both sign. */
  readonly secret: string | readonly string[];
  /** Default: all of them. */
  readonly events?: readonly ("upload:completed" | "upload:failed" | "file:failed")[];
  /** How long the receiver may take to answer, connecting included, in milliseconds. Default 15 s, at most 5 minutes. */
  readonly timeout?: number;
  /** Requests in flight at once; while they do not succeed, one. Default 4, at most 100. */
  readonly concurrency?: number;
}

/** How event streams are served. */
export interface EventOptions {
  /** Events kept for clients that come back, in all. Default 10,000. */
  readonly buffer?: number;
  /** Between two comments that keep a silent stream open, in milliseconds. Default 15 s. */
  readonly heartbeat?: number;
  /** Streams open at once. Default 2,000. */
  readonly maxStreams?: number;
  /** Bytes that may wait for one slow client before it is dropped. Default 1 MiB. */
  readonly maxBacklog?: number;
}

/** A tracer of `@opentelemetry/api`, as far as it is used here. */
export interface TracerLike {
  // biome-ignore lint/suspicious/noExplicitAny: whatever version of the API the host has
  startSpan(name: string, options?: any, context?: any): object;
}

/** OpenTelemetry spans; see docs/operations.md. */
export interface TracingOptions {
  /** Such as `trace.getTracer("bucketline")`. */
  readonly tracer: TracerLike;
  /**
   * Whether uploads, files and parts are traced, too, while the server is open. False for hosts that call `traceUploads`
   * themselves. Default: true.
   */
  readonly uploads?: boolean;
}

/** What /metrics shows. */
export interface MetricsOptions {
  /** Uploads that have series of their own; the others are in the sums. Default 100. */
  readonly uploads?: number;
}

/** What the plugin is made of. Only the service is required. Durations in milliseconds, sizes in bytes. */
export interface HttpOptions {
  readonly service: UploadService;
  /** Who may call. Default: nobody need say who they are, and only callers on this machine are answered. */
  readonly auth?: AuthOptions;
  /** Values of the header Host that are answered, without port. Default: names of loopback; with `auth`, any. */
  readonly allowedHosts?: readonly string[];
  /** Buckets that clients may name. Default: any. */
  readonly buckets?: readonly string[];
  /** Requests per window and client. Default: 3,000 per 10 s. `false`: no limit. */
  readonly rateLimit?: { readonly max: number; readonly window: number } | false;
  /** Of a request's body. Default 64 KiB. */
  readonly bodyLimit?: number;
  /** Whether `/` serves the dashboard. Default: true. */
  readonly dashboard?: boolean;
  /** Whether `/docs` and `/redoc` are served. Default: true. */
  readonly docs?: boolean;
  readonly events?: EventOptions;
  readonly webhooks?: readonly WebhookOptions[];
  readonly metrics?: MetricsOptions;
  /** Default: no spans. */
  readonly tracing?: TracingOptions;
}

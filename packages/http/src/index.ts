export { checkListening } from "./access/hosts.ts";
export { LOG_REDACTION } from "./access/redaction.ts";
export { SCOPES, type Scope } from "./access/scopes.ts";
export { hashToken } from "./access/tokens.ts";
export type { AppOptions } from "./app.ts";
export { HTTP_ERRORS, HttpError, type HttpErrorCode, type Problem } from "./errors.ts";
export { type StopOptions, stopOnSignal } from "./operations/stop-on-signal.ts";
export type {
  AuthOptions,
  EventOptions,
  HostPrincipal,
  HttpOptions,
  JwtOptions,
  MetricsOptions,
  TokenOptions,
  TracerLike,
  TracingOptions,
  WebhookOptions,
} from "./options.ts";
export { bucketline } from "./plugin.ts";
export { type BucketlineListener, createRequestListener } from "./request-listener.ts";
export { type BucketlineServer, createServer, type ServerOptions } from "./server.ts";

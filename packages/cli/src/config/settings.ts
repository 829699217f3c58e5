import { PIPELINE_SETTINGS } from "./pipeline-settings.ts";
import type { Setting } from "./setting.ts";

const LEDGER_AND_LOG = {
  databaseUrl: {
    kind: "ledger",
    path: "database_url",
    env: ["DATABASE_URL"],
    flag: "database-url",
    secret: "password",
    otherwise: "`sqlite:` uploads.db in the data folder",
    summary:
      "the ledger: `sqlite:///./data/uploads.db`, `json:./state.json` or `postgres://user:password@host/database`",
  },
  dataFolder: {
    kind: "file",
    path: "data_folder",
    env: ["BUCKETLINE_DATA"],
    flag: "data-folder",
    otherwise: "`bucketline` in `$XDG_STATE_HOME`, which is `~/.local/state` by default",
    summary: "what has no other place: the ledger by default, and what `doctor` has found out about the object store",
  },
  logLevel: {
    kind: "choice",
    path: "log_level",
    env: ["LOG_LEVEL"],
    flag: "log-level",
    choices: ["trace", "debug", "info", "warn", "error", "fatal", "silent"],
    otherwise: "`info` for `monitor` and `serve`, `silent` for all others",
    summary: "from which level on lines of the log are written to standard error, as JSON",
  },
} as const satisfies Record<string, Setting>;

const TRANSFER = {
  concurrency: {
    kind: "count",
    path: "transfer.worker_concurrency",
    env: ["WORKER_CONCURRENCY"],
    flag: "concurrency",
    least: 1,
    fallback: 5,
    summary: "files in flight at once",
  },
  partConcurrency: {
    kind: "count",
    path: "transfer.part_concurrency",
    env: ["BUCKETLINE_PART_CONCURRENCY"],
    flag: "part-concurrency",
    least: 1,
    otherwise: "4, and up to 16 as long as more of them carry more",
    summary: "parts in flight at once, per file",
  },
  chunkSize: {
    kind: "size",
    path: "transfer.chunk_size",
    env: ["CHUNK_SIZE"],
    flag: "chunk-size",
    least: 1,
    fallback: 5_242_880,
    summary:
      "files up to this go in one request, larger ones in parts of this; both grow up to 8 MiB where a request carries more in half a second",
  },
  memoryLimit: {
    kind: "size",
    path: "transfer.memory_limit",
    env: ["BUCKETLINE_MEMORY_LIMIT"],
    flag: "memory-limit",
    least: 1,
    fallback: 134_217_728,
    summary: "bound on the memory of all bodies together",
  },
  bandwidthLimit: {
    kind: "size",
    path: "transfer.bandwidth_limit",
    env: ["BUCKETLINE_BANDWIDTH_LIMIT"],
    flag: "bandwidth-limit",
    least: 1,
    otherwise: "no limit",
    summary: "bytes per second, over all uploads of this process",
  },
  activeHours: {
    kind: "text",
    path: "transfer.active_hours",
    env: ["BUCKETLINE_ACTIVE_HOURS"],
    flag: "active-hours",
    otherwise: "always",
    summary: "local hours in which files are sent, such as `22:00-06:00`",
  },
  requestTimeout: {
    kind: "duration",
    path: "transfer.request_timeout",
    env: ["BUCKETLINE_REQUEST_TIMEOUT"],
    least: 1,
    fallback: 30_000,
    summary: "deadline of each request; a body adds 1 s per 64 KiB",
  },
  retryAttempts: {
    kind: "count",
    path: "transfer.retry_attempts",
    env: ["BUCKETLINE_RETRY_ATTEMPTS"],
    flag: "retry-attempts",
    least: 1,
    fallback: 5,
    summary: "transfers begun for one file before it has failed",
  },
} as const satisfies Record<string, Setting>;

const MONITOR = {
  monitorInterval: {
    kind: "duration",
    path: "monitor.interval",
    env: ["FILE_MONITOR_INTERVAL"],
    flag: "monitor-interval",
    least: 1,
    fallback: 60_000,
    summary: "between two scans of a watched folder",
  },
  stabilityThreshold: {
    kind: "duration",
    path: "monitor.stability_threshold",
    env: ["STABILITY_THRESHOLD"],
    flag: "stability-threshold",
    least: 0,
    fallback: 5_000,
    summary: "how long a file of a watched folder must have been left alone before it is sent",
  },
  requeueFailedAfter: {
    kind: "duration",
    path: "monitor.requeue_failed_after",
    env: ["REQUEUE_FAILED_AFTER"],
    flag: "requeue-failed-after",
    least: 0,
    fallback: 3_600_000,
    summary: "after which failed files of watched folders are queued again",
  },
  events: {
    kind: "switch",
    path: "monitor.events",
    env: ["BUCKETLINE_FILE_EVENTS"],
    fallback: true,
    summary: "whether file system events bring scans forward; without them only scans find changes",
  },
  orphanAge: {
    kind: "duration",
    path: "monitor.orphan_age",
    env: ["BUCKETLINE_ORPHAN_AGE"],
    least: 0,
    fallback: 86_400_000,
    summary: "multipart uploads of ours that the ledger does not know are aborted when they are older",
  },
  host: {
    kind: "text",
    path: "monitor.host_name",
    env: ["BUCKETLINE_HOST_NAME"],
    flag: "host-name",
    otherwise: "the system's host name",
    summary: "the name of this machine, for uploads that are bound to one host",
  },
  lease: {
    kind: "duration",
    path: "monitor.lease",
    env: ["BUCKETLINE_LEASE"],
    least: 3,
    fallback: 30_000,
    summary: "how long other hosts wait before they take over from one that shows no life",
  },
} as const satisfies Record<string, Setting>;

const S3 = {
  region: {
    kind: "text",
    path: "s3.region",
    env: ["AWS_REGION", "AWS_DEFAULT_REGION"],
    flag: "region",
    otherwise: "as the AWS SDK finds it",
    summary: "the bucket's region",
  },
  endpointUrl: {
    kind: "text",
    path: "s3.endpoint_url",
    env: ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"],
    flag: "endpoint-url",
    secret: "password",
    otherwise: "Amazon S3",
    summary: "another object store that speaks S3's language",
  },
  storeLocation: {
    kind: "text",
    path: "s3.store_location",
    env: ["BUCKETLINE_STORE_LOCATION"],
    flag: "store-location",
    otherwise: "the endpoint",
    summary: "what the ledger calls the object store, when it has moved to another endpoint with all its objects",
  },
  pathStyle: {
    kind: "switch",
    path: "s3.path_style",
    env: ["BUCKETLINE_PATH_STYLE"],
    flag: "path-style",
    otherwise: "yes with an endpoint of your own, no for Amazon S3",
    summary: "whether the bucket stands in the path and not in the host name",
  },
  profile: {
    kind: "text",
    path: "s3.profile",
    env: ["AWS_PROFILE"],
    flag: "profile",
    otherwise: "as the AWS SDK finds it",
    summary: "profile of the shared AWS files",
  },
  accessKeyId: {
    kind: "text",
    path: "s3.access_key_id",
    env: ["AWS_ACCESS_KEY_ID"],
    secret: "whole",
    otherwise: "as the AWS SDK finds it",
    summary: "credentials of your own; better kept in the environment or the shared AWS files",
  },
  secretAccessKey: {
    kind: "text",
    path: "s3.secret_access_key",
    env: ["AWS_SECRET_ACCESS_KEY"],
    secret: "whole",
    otherwise: "as the AWS SDK finds it",
    summary: "belongs to the access key",
  },
  sessionToken: {
    kind: "text",
    path: "s3.session_token",
    env: ["AWS_SESSION_TOKEN"],
    secret: "whole",
    otherwise: "none",
    summary: "belongs to temporary access keys",
  },
  checksums: {
    kind: "choice",
    path: "s3.checksums",
    env: ["BUCKETLINE_CHECKSUMS"],
    choices: ["crc32", "none"],
    otherwise: "as `doctor` has found it, else `crc32`",
    summary: "`none` for stores that do not know S3's checksum headers",
  },
  conditionalWrites: {
    kind: "switch",
    path: "s3.conditional_writes",
    env: ["BUCKETLINE_CONDITIONAL_WRITES"],
    otherwise: "as `doctor` has found it, else yes",
    summary: "whether the store honours `If-None-Match` and `If-Match`",
  },
} as const satisfies Record<string, Setting>;

const HTTP = {
  listenHost: {
    kind: "text",
    path: "http.host",
    env: ["HOST"],
    flag: "host",
    fallback: "127.0.0.1",
    summary: "the address on which `serve` listens; beyond this machine only with a token or JWTs",
  },
  listenPort: {
    kind: "count",
    path: "http.port",
    env: ["PORT"],
    flag: "port",
    least: 0,
    most: 65_535,
    fallback: 8080,
    summary: "the port; 0: any free one",
  },
  httpPrefix: {
    kind: "text",
    path: "http.prefix",
    env: ["BUCKETLINE_PREFIX"],
    flag: "prefix",
    otherwise: "none",
    summary: "path below which everything answers, such as `/uploads`, as behind a proxy that leaves paths as they are",
  },
  roots: {
    kind: "folders",
    path: "http.roots",
    env: ["BUCKETLINE_ROOTS"],
    flag: "root",
    otherwise: "none: clients may name no folder",
    summary: "folders that clients may name, with all that is in them; nothing else is read by `monitor` and `serve`",
  },
  buckets: {
    kind: "list",
    path: "http.buckets",
    env: ["BUCKETLINE_BUCKETS"],
    flag: "bucket",
    otherwise: "any",
    summary: "buckets that clients may name",
  },
  allowedHosts: {
    kind: "list",
    path: "http.allowed_hosts",
    env: ["BUCKETLINE_ALLOWED_HOSTS"],
    flag: "allowed-host",
    otherwise: "names of this machine; with a token or JWTs any",
    summary: "host names under which `serve` answers",
  },
  trustProxy: {
    kind: "list",
    path: "http.trust_proxy",
    env: ["BUCKETLINE_TRUST_PROXY"],
    otherwise: "none",
    summary: "addresses or networks of proxies whose `X-Forwarded-*` headers are believed",
  },
  tokenHash: {
    kind: "text",
    path: "http.token_sha256",
    env: ["BUCKETLINE_TOKEN_SHA256"],
    secret: "whole",
    otherwise: "none",
    summary: "SHA-256 of a token with all rights, in hexadecimal",
  },
  tokensFile: {
    kind: "file",
    path: "http.tokens_file",
    env: ["BUCKETLINE_TOKENS_FILE"],
    flag: "tokens-file",
    otherwise: "none",
    summary: "JSON file with a list of tokens: `name`, `sha256`, `scopes`",
  },
  jwtIssuer: {
    kind: "text",
    path: "http.jwt_issuer",
    env: ["BUCKETLINE_JWT_ISSUER"],
    otherwise: "none",
    summary: "OpenID Connect provider whose JWTs are taken",
  },
  jwtAudience: {
    kind: "text",
    path: "http.jwt_audience",
    env: ["BUCKETLINE_JWT_AUDIENCE"],
    otherwise: "none",
    summary: "audience that the JWTs must name; required with an issuer",
  },
  webhooksFile: {
    kind: "file",
    path: "http.webhooks_file",
    env: ["BUCKETLINE_WEBHOOKS_FILE"],
    flag: "webhooks-file",
    otherwise: "none",
    summary: "JSON file with a list of webhooks: `name`, `url`, `secret`, `events`",
  },
} as const satisfies Record<string, Setting>;

/**
 * Every setting of the command line, the one place that names them: the flags of commands, what is read of the environment
 * and of bucketline.yaml, the defaults, the schema, `bucketline config` and the table in docs/cli-configuration.md follow
 * from here. Plain data, because `--help` needs it and has no time for more.
 */
export const SETTINGS = { ...LEDGER_AND_LOG, ...TRANSFER, ...PIPELINE_SETTINGS, ...MONITOR, ...S3, ...HTTP } as const;

export type SettingName = keyof typeof SETTINGS;

export const SETTING_NAMES = Object.keys(SETTINGS) as readonly SettingName[];

/** As a general setting, without what is special to it. */
export function settingOf(name: SettingName): Setting {
  return SETTINGS[name];
}

type Kinds = {
  text: string;
  file: string;
  ledger: string;
  list: readonly string[];
  folders: readonly string[];
  count: number;
  duration: number;
  size: number;
  switch: boolean;
};

type ValueOf<S extends Setting> = S extends { readonly kind: "choice"; readonly choices: readonly (infer C)[] }
  ? C
  : Kinds[Exclude<S["kind"], "choice">];

/** The value of every setting; undefined where nobody has said anything and there is no default that is a value. */
export type Values = {
  readonly [N in SettingName]: (typeof SETTINGS)[N] extends { readonly fallback: unknown }
    ? ValueOf<(typeof SETTINGS)[N]>
    : ValueOf<(typeof SETTINGS)[N]> | undefined;
};

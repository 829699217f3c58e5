import { readFileSync } from "node:fs";
import { delimiter, resolve } from "node:path";
import type { ServiceOptions } from "@bucketline/core";
import type { AuthOptions, WebhookOptions } from "@bucketline/http";

/** What the environment says, checked. */
export interface Settings {
  /** Where everything of the service itself is kept. */
  readonly dataFolder: string;
  readonly databaseUrl: string;
  /** False: objects go to a local S3 sandbox. */
  readonly ownBucket: boolean;
  readonly sandboxPort: number;
  /** Empty: only a demo folder, made at the first start. */
  readonly roots: readonly string[];
  readonly buckets: readonly string[] | undefined;
  readonly host: string;
  readonly port: number;
  readonly allowedHosts: readonly string[] | undefined;
  readonly trustProxy: readonly string[] | undefined;
  readonly auth: AuthOptions | undefined;
  readonly webhooks: readonly WebhookOptions[];
  readonly logLevel: string;
  readonly engine: Pick<
    ServiceOptions,
    "concurrency" | "chunkSize" | "monitorInterval" | "stabilityThreshold" | "requeueFailedAfter"
  >;
}

/** A variable has a value that nobody can work with. */
export class SettingError extends Error {
  constructor(name: string, wanted: string) {
    super(`Environment variable ${name} must be ${wanted}.`);
    this.name = "SettingError";
  }
}

type Environment = Readonly<Record<string, string | undefined>>;

const LOG_LEVELS = ["trace", "debug", "info", "warn", "error", "fatal", "silent"];

/** @throws SettingError */
export function readSettings(env: Environment): Settings {
  const dataFolder = resolve(env.BUCKETLINE_DATA || ".bucketline/service");
  const logLevel = env.LOG_LEVEL || "info";
  if (!LOG_LEVELS.includes(logLevel)) throw new SettingError("LOG_LEVEL", `one of ${LOG_LEVELS.join(", ")}`);
  return {
    dataFolder,
    databaseUrl: env.DATABASE_URL || `sqlite://${dataFolder}/uploads.db`,
    ownBucket: OWN_BUCKET.some((name) => env[name]),
    sandboxPort: wholeNumber(env, "BUCKETLINE_SANDBOX_PORT") ?? 0,
    roots: (env.BUCKETLINE_ROOTS ?? "")
      .split(delimiter)
      .filter(Boolean)
      .map((root) => resolve(root)),
    buckets: list(env.BUCKETLINE_BUCKETS),
    host: env.HOST || "127.0.0.1",
    port: wholeNumber(env, "PORT") ?? 8080,
    allowedHosts: list(env.BUCKETLINE_ALLOWED_HOSTS),
    trustProxy: list(env.BUCKETLINE_TRUST_PROXY),
    auth: authOf(env),
    webhooks: jsonFile(env, "BUCKETLINE_WEBHOOKS_FILE") ?? [],
    logLevel,
    engine: engineOf(env),
  };
}

/** Any of these says that there is an S3 of one's own. */
const OWN_BUCKET = ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_ROLE_ARN"];

function engineOf(env: Environment): Settings["engine"] {
  const given = {
    concurrency: wholeNumber(env, "WORKER_CONCURRENCY"),
    chunkSize: amount(env, "CHUNK_SIZE", SIZES, "bytes, such as 8388608 or 8MiB"),
    monitorInterval: amount(env, "FILE_MONITOR_INTERVAL", DURATIONS, DURATION),
    stabilityThreshold: amount(env, "STABILITY_THRESHOLD", DURATIONS, DURATION),
    requeueFailedAfter: amount(env, "REQUEUE_FAILED_AFTER", DURATIONS, DURATION),
  };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}

/** Hashes only: the tokens themselves stay with whoever uses them. */
function authOf(env: Environment): AuthOptions | undefined {
  const { BUCKETLINE_TOKEN_SHA256: hash, BUCKETLINE_JWT_ISSUER: issuer, BUCKETLINE_JWT_AUDIENCE: audience } = env;
  const tokens: NonNullable<AuthOptions["tokens"]>[number][] = [
    ...(hash ? [{ name: "admin", sha256: hash, scopes: ["admin"] as const }] : []),
    ...(jsonFile<NonNullable<AuthOptions["tokens"]>>(env, "BUCKETLINE_TOKENS_FILE") ?? []),
  ];
  if (issuer && !audience) throw new SettingError("BUCKETLINE_JWT_AUDIENCE", "set when BUCKETLINE_JWT_ISSUER is");
  if (tokens.length === 0 && !issuer) return undefined;
  return { tokens, ...(issuer && audience && { jwt: { issuer, audience } }) };
}

function list(text: string | undefined): readonly string[] | undefined {
  const items = (text ?? "").split(",").map((item) => item.trim());
  return items.some(Boolean) ? items.filter(Boolean) : undefined;
}

function wholeNumber(env: Environment, name: string): number | undefined {
  const text = env[name];
  if (!text) return undefined;
  if (!/^\d{1,9}$/.test(text)) throw new SettingError(name, "a whole number");
  return Number(text);
}

const SIZES = { "": 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 };
const DURATIONS = { "": 1_000, ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };
const DURATION = "a duration, such as 60 (seconds), 90s, 5m or 1h";

function amount(
  env: Environment,
  name: string,
  units: Readonly<Record<string, number>>,
  wanted: string,
): number | undefined {
  const text = env[name];
  if (!text) return undefined;
  const [, digits, unit = ""] = /^(\d{1,12})\s*([A-Za-z]*)$/.exec(text) ?? [];
  const factor = Object.hasOwn(units, unit) ? units[unit] : undefined;
  if (digits === undefined || factor === undefined) throw new SettingError(name, wanted);
  return Number(digits) * factor;
}

function jsonFile<T>(env: Environment, name: string): T | undefined {
  const path = env[name];
  if (!path) return undefined;
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch {
    // The message of a parser may quote what the file holds, and it holds secrets.
    throw new SettingError(name, `the path of a readable JSON file, and ${path} is none`);
  }
}

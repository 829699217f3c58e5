import { InputError, NOTICE_EVENTS, type NoticeEvent } from "@bucketline/core";
import type { WebhookOptions } from "../options.ts";
import { Signer } from "./signer.ts";

/** One webhook, checked. */
export interface Endpoint {
  readonly name: string;
  readonly url: string;
  /** The URL without what may be secret. */
  readonly shownUrl: string;
  readonly signer: Signer;
  readonly events: readonly NoticeEvent[];
  /** Milliseconds. */
  readonly timeout: number;
  readonly concurrency: number;
}

const NAME = /^[A-Za-z0-9._-]{1,64}$/;
const SECRET = /^whsec_([A-Za-z0-9+/]+={0,2})$/;
/** Bytes; Standard Webhooks 1.0.0, "Signature scheme". */
const SECRET_SIZE = { least: 24, most: 64 };
const TIMEOUT = { least: 1, most: 300_000, default: 15_000 };
const CONCURRENCY = { least: 1, most: 100, default: 4 };
const FIELDS: ReadonlySet<string> = new Set<keyof WebhookOptions>([
  "name",
  "url",
  "secret",
  "events",
  "timeout",
  "concurrency",
]);

/** @throws InputError `INVALID_OPTION`, which repeats neither URLs nor secrets */
export function endpointsOf(options: readonly WebhookOptions[] = []): Endpoint[] {
  if (!Array.isArray(options)) throw invalid("must be a list");
  const endpoints = options.map(endpointOf);
  const names = endpoints.map(({ name }) => name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw invalid(`two of them have the name ${JSON.stringify(twice)}`);
  return endpoints;
}

function endpointOf(options: WebhookOptions): Endpoint {
  const { name, url, secret, events = NOTICE_EVENTS, timeout, concurrency } = options ?? {};
  if (typeof name !== "string" || !NAME.test(name))
    throw invalid("each needs a name of 1 to 64 letters, digits, dots, dashes or underscores");
  const unknown = Object.keys(options).find((field) => !FIELDS.has(field));
  if (unknown !== undefined) throw invalidOf(name, `${JSON.stringify(unknown.slice(0, 100))} is not known`);
  return {
    name,
    ...addressOf(name, url),
    signer: new Signer(secretsOf(name, secret)),
    events: eventsOf(name, events),
    timeout: numberOf(name, "timeout", timeout, TIMEOUT),
    concurrency: numberOf(name, "concurrency", concurrency, CONCURRENCY),
  };
}

function addressOf(name: string, text: string): Pick<Endpoint, "url" | "shownUrl"> {
  const url = typeof text === "string" ? URL.parse(text) : null;
  if (url === null || !["http:", "https:"].includes(url.protocol))
    throw invalidOf(name, "url must be an absolute URL that begins with https: or http:");
  if (url.username !== "" || url.password !== "")
    throw invalidOf(name, "url must not hold a user or password; the signature says who sends");
  url.hash = "";
  return { url: url.href, shownUrl: `${url.origin}${url.pathname}` };
}

function secretsOf(name: string, secret: WebhookOptions["secret"]): readonly string[] {
  const secrets: readonly unknown[] = Array.isArray(secret) ? secret : [secret];
  if (secrets.length === 0) throw invalidOf(name, "secret must be at least one");
  if (new Set(secrets).size < secrets.length) throw invalidOf(name, "two of its secrets are the same");
  if (!secrets.every(isSecret))
    throw invalidOf(
      name,
      `secret must be whsec_ and the base 64 of ${SECRET_SIZE.least} to ${SECRET_SIZE.most} random bytes`,
    );
  return secrets;
}

function isSecret(secret: unknown): secret is string {
  const encoded = typeof secret === "string" ? SECRET.exec(secret)?.[1] : undefined;
  if (encoded === undefined) return false;
  const bytes = Buffer.from(encoded, "base64");
  const isWhole = bytes.toString("base64") === encoded;
  return isWhole && bytes.length >= SECRET_SIZE.least && bytes.length <= SECRET_SIZE.most;
}

function eventsOf(name: string, events: readonly NoticeEvent[]): readonly NoticeEvent[] {
  const isList = Array.isArray(events) && events.length > 0 && new Set(events).size === events.length;
  if (!isList || !events.every((event) => NOTICE_EVENTS.includes(event)))
    throw invalidOf(name, `events must be a list of ${NOTICE_EVENTS.join(", ")}, each at most once`);
  return [...events];
}

interface Bounds {
  readonly least: number;
  readonly most: number;
  readonly default: number;
}

function numberOf(name: string, field: string, value: number | undefined, bounds: Bounds): number {
  if (value === undefined) return bounds.default;
  if (!Number.isSafeInteger(value) || value < bounds.least || value > bounds.most)
    throw invalidOf(name, `${field} must be a whole number from ${bounds.least} to ${bounds.most}`);
  return value;
}

function invalidOf(name: string, what: string): InputError {
  return invalid(`of ${JSON.stringify(name)}, ${what}`);
}

function invalid(what: string): InputError {
  return new InputError("INVALID_OPTION", `Option webhooks: ${what}.`);
}

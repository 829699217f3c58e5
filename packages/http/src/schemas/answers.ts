import { type TSchema, Type } from "typebox";
import { ProblemView } from "./common.ts";

const PROBLEMS = {
  400: "The request is not what the route takes.",
  401: "No valid credential.",
  403: "The credential, or this service's configuration, does not allow it.",
  404: "There is no such thing.",
  409: "In its state, that cannot be done.",
  412: "It has changed since it was read.",
  413: "The body is too large.",
  415: "The body is not JSON.",
  422: "Well-formed, but the settings, the folder or the bucket will not do.",
  429: "Too many requests; see Retry-After.",
  502: "The object store refuses the service.",
  503: "The service, its ledger or the object store is not available.",
} as const;

type ProblemStatus = keyof typeof PROBLEMS;

const ALWAYS: readonly ProblemStatus[] = [400, 401, 403, 429, 503];

/** The answers of a route: what it says when all is well, and the problem documents that may come instead. */
export function answers<T extends Readonly<Record<number, unknown>>>(good: T, ...others: readonly ProblemStatus[]): T {
  const statuses = [...new Set([...ALWAYS, ...others])].sort((a, b) => a - b);
  const problems = Object.fromEntries(statuses.map((status) => [status, problem(status)]));
  return { ...good, ...problems };
}

function problem(status: ProblemStatus) {
  const headers = status === 429 || status === 503 ? { "Retry-After": Type.Integer({ description: "Seconds." }) } : {};
  return {
    description: PROBLEMS[status],
    headers,
    content: { "application/problem+json": { schema: ProblemView } },
  };
}

/** What an answer means, beside what it looks like. Not part of the schema of its body. */
export function saying<T extends TSchema>(
  description: string,
  schema: T,
  headers: Readonly<Record<string, TSchema>> = {},
): T {
  return { ...schema, "x-response-description": description, headers };
}

export const ETAG = {
  ETag: Type.String({ description: "For If-Match: changes with the upload's state and settings." }),
};

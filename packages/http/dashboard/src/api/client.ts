import type { Problem } from "../../../src/errors.ts";
import type { Readiness } from "./types.ts";

/** The API's refusal, or the lack of any answer (`OFFLINE`). The message is for people. */
export class ApiError extends Error {
  readonly status: number;
  readonly code: string;
  /** What to do about it. */
  readonly remedy: string;

  constructor(problem: Pick<Problem, "status" | "code" | "title" | "detail">) {
    super(problem.detail || problem.title);
    this.name = "ApiError";
    this.status = problem.status;
    this.code = problem.code;
    this.remedy = problem.title;
  }
}

export interface Answer<Body> {
  readonly body: Body;
  readonly etag: string | null;
}

interface Sending {
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

/** Address of a route of the API, relative to the page, so that it holds behind any prefix. */
export function route(path: string): string {
  return new URL(`api/v1${path}`, document.baseURI).href;
}

/** @throws ApiError, and the signal's reason */
export async function request<Body>(method: string, path: string, sending: Sending = {}): Promise<Answer<Body>> {
  const response = await send(method, route(path), sending);
  const text = await response.text();
  const body = parse(text);
  if (response.ok) return { body: body as Body, etag: response.headers.get("etag") };
  // The server answers the page itself with its login form then.
  if (response.status === 401) location.reload();
  throw new ApiError(problemOf(response, body));
}

/** Of `/ready`, which is answered with 503 when it is not, and stands beside the API. @throws ApiError */
export async function readReadiness(): Promise<Readiness> {
  const response = await send("GET", new URL("ready", document.baseURI).href, {});
  const body = parse(await response.text());
  if (typeof body === "object" && body !== null && "status" in body && !("code" in body)) return body as Readiness;
  throw new ApiError(problemOf(response, body));
}

/** @throws ApiError, and the signal's reason */
export async function read<Body>(path: string, signal?: AbortSignal): Promise<Body> {
  return (await request<Body>("GET", path, signal && { signal })).body;
}

/** @throws ApiError */
export async function post<Body>(path: string, body: unknown = {}): Promise<Body> {
  return (await request<Body>("POST", path, { body })).body;
}

async function send(method: string, url: string, { body, headers, signal }: Sending): Promise<Response> {
  try {
    return await fetch(url, {
      method,
      headers: {
        accept: "application/json",
        ...(body !== undefined && { "content-type": "application/json" }),
        ...headers,
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      ...(signal && { signal }),
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    const title = "The service does not answer. It may be stopped, or the network is down.";
    throw new ApiError({ status: 0, code: "OFFLINE", title, detail: title });
  }
}

function parse(text: string): unknown {
  try {
    return text === "" ? undefined : JSON.parse(text);
  } catch {
    return undefined;
  }
}

function problemOf(response: Response, body: unknown): Pick<Problem, "status" | "code" | "title" | "detail"> {
  if (typeof body === "object" && body !== null && "code" in body && "title" in body) return body as Problem;
  const title = `The service answered ${response.status} ${response.statusText}`.trim();
  return { status: response.status, code: "UNEXPECTED", title, detail: title };
}

/** Of whatever was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

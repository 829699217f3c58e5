import type { FastifyRequest } from "fastify";
import { HttpError } from "../errors.ts";

const SAFE_METHODS = new Set(["GET", "HEAD", "OPTIONS"]);

/** Whether the method changes nothing. */
export function isSafe(method: string): boolean {
  return SAFE_METHODS.has(method);
}

/**
 * Refuses what a page of another origin sends through somebody's browser. Only where the browser itself is the credential: with a
 * session's cookie, or on a machine whose callers need none.
 *
 * Browsers say with each request what sent it (Sec-Fetch-Site; to https and to this machine only), and on unsafe methods from
 * where (Origin); pages cannot write either.
 * @param proven whether an unsafe request must show that it is of the same origin; else what says nothing passes, as curl does
 * @throws HttpError `ORIGIN_NOT_ALLOWED`
 */
export function checkOrigin(request: FastifyRequest, { proven }: { proven: boolean }): void {
  const { "sec-fetch-site": site, "sec-fetch-mode": mode, origin } = request.headers;
  if (isSafe(request.method)) {
    // Reading across origins is the browser's to prevent; but such requests would still keep streams and places open.
    if ((site === "cross-site" || site === "same-site") && mode !== "navigate") throw notAllowed();
    return;
  }
  if (site !== undefined) {
    if (site === "same-origin" || (site === "none" && !proven)) return;
    throw notAllowed();
  }
  if (origin === undefined ? proven : !isOwn(origin, request.host)) throw notAllowed();
}

/** Without the scheme, which a proxy in front that ends TLS does not always tell. */
function isOwn(origin: string, host: string): boolean {
  if (!/^https?:\/\//.test(origin) || !URL.canParse(origin)) return false;
  const { protocol, host: expected, origin: canonical } = new URL(origin);
  if (canonical !== origin) return false;
  return URL.canParse(`${protocol}//${host}/`) && new URL(`${protocol}//${host}/`).host === expected;
}

function notAllowed(): HttpError {
  return new HttpError("ORIGIN_NOT_ALLOWED", "A page of another origin may not do this in somebody else's name.");
}

import type { App } from "./context.ts";
import { HttpError } from "./errors.ts";
import type { HttpOptions } from "./options.ts";

/** NUL, and halves of surrogate pairs. */
const UNSTORABLE = /\0|\p{Surrogate}/u;
const BODY_LIMIT = 64 * 1024;

/** Only JSON is read, up to the limit, whatever parsers and limits the host's own server has. */
export function bodies(app: App, { bodyLimit = BODY_LIMIT }: HttpOptions): void {
  app.addHook("onRoute", (route) => {
    route.bodyLimit = bodyLimit;
  });
  const parse = app.getDefaultJsonParser("error", "error");
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("application/json", { parseAs: "string", bodyLimit }, (request, body, done) => {
    // Many clients name the type of a body that they do not send.
    if (body === "") return done(null, undefined);
    return parse(request, String(body), (error, value) => {
      if (error || isStorable(value)) return done(error, value);
      const message = "The body holds NUL characters, or halves of surrogate pairs, which no ledger can keep.";
      return done(new HttpError("INVALID_REQUEST", message));
    });
  });
}

/** Without recursion: a body may be nested as deeply as it is long. */
function isStorable(body: unknown): boolean {
  const left: unknown[] = [body];
  while (left.length > 0) {
    const value = left.pop();
    if (typeof value === "string") {
      if (UNSTORABLE.test(value)) return false;
    } else if (Array.isArray(value)) {
      for (const item of value) left.push(item);
    } else if (typeof value === "object" && value !== null) {
      for (const [name, item] of Object.entries(value)) left.push(name, item);
    }
  }
  return true;
}

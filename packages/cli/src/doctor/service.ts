import { SETTING_NAMES, settingOf } from "../config/settings.ts";
import { printable } from "../output/printable.ts";
import { type Check, type Discovery, type Examination, ok, problem, reasonOf, skipped, warning } from "./finding.ts";

const DEADLINE_MS = 5_000;

/** Asks a service of these settings whether it is ready; only where something is set for one. */
export const serviceCheck: Check<Examination> = {
  name: "service",
  async run({ config, signal }) {
    const isMeant = SETTING_NAMES.some(
      (name) => settingOf(name).path.startsWith("http.") && name !== "roots" && config.origins[name].from !== "default",
    );
    if (!isMeant) return [skipped("Nothing is set for a service.")];
    const { listenHost, listenPort, httpPrefix = "" } = config.values;
    if (listenPort === 0) return [skipped("The port of the service is any free one.")];
    const url = `http://${hostOf(listenHost)}:${listenPort}${httpPrefix.replace(/\/$/, "")}/ready`;
    try {
      const options = {
        signal: AbortSignal.any([signal, AbortSignal.timeout(DEADLINE_MS)]),
        redirect: "manual" as const,
      };
      const { status } = await fetch(url, options);
      return [assessAnswer(url, status)];
    } catch (error) {
      signal.throwIfAborted();
      const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
      const message = `No service answers at ${printable(url)}: ${printable(reasonOf(cause))}`;
      return [warning(message, "Start it with `bucketline serve`, unless it is not meant to run now.", { url })];
    }
  },
};

/** Where one that listens everywhere is found from here. */
function hostOf(host: string): string {
  if (host === "0.0.0.0") return "127.0.0.1";
  if (host === "::") return "[::1]";
  return host.includes(":") ? `[${host}]` : host;
}

function assessAnswer(url: string, status: number): Discovery {
  const facts = { url, status };
  if (status === 200) return ok(`The service at ${printable(url)} is ready.`, facts);
  if (status === 503)
    return problem(`The service at ${printable(url)} is not ready.`, "Its log and /health say why.", facts);
  return problem(
    `${printable(url)} answers ${status}, which Bucketline does not.`,
    "Another program has the port: set http.port.",
    facts,
  );
}

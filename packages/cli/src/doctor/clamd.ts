import { createConnection } from "node:net";

/** Where clamd listens. */
export type ClamdPlace = { readonly socket: string } | { readonly host: string; readonly port: number };

const DEADLINE_MS = 5_000;
const LONGEST_ANSWER = 4_096;

/**
 * Asks clamd for its version (`zVERSION` of clamd(8)).
 * @throws Error that says why there is no answer
 */
export async function askClamd(place: ClamdPlace, signal: AbortSignal): Promise<string> {
  const target = "socket" in place ? { path: place.socket } : { host: place.host, port: place.port };
  const deadline = AbortSignal.any([signal, AbortSignal.timeout(DEADLINE_MS)]);
  return await new Promise<string>((resolve, reject) => {
    let received = "";
    const socket = createConnection(target, () => socket.write("zVERSION\0"));
    const end = (finish: () => void) => {
      deadline.removeEventListener("abort", onAbort);
      socket.destroy();
      finish();
    };
    const onAbort = () => end(() => reject(signal.aborted ? signal.reason : new Error("no answer within 5 s")));
    deadline.addEventListener("abort", onAbort, { once: true });
    socket.setEncoding("utf8");
    socket.on("data", (text) => {
      received += text;
      const at = received.indexOf("\0");
      if (at >= 0) end(() => resolve(received.slice(0, at)));
      else if (received.length > LONGEST_ANSWER) end(() => reject(new Error("it does not answer as clamd does")));
    });
    socket.on("error", (error) => end(() => reject(error)));
    socket.on("close", () => end(() => reject(new Error("it closed the connection"))));
  });
}

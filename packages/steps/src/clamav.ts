import { isAbsolute } from "node:path";
import { type CheckResult, type CheckStep, defineStep, StepError } from "@bucketline/core";
import { type ClamdAddress, type ClamdAnswer, NoAnswer, scanByClamd } from "./clamd.ts";
import { invalidStep, oneOf, type StepOptions, wholeNumber } from "./options.ts";

interface ScanOptions extends StepOptions {
  /**
   * Longest wait for clamd, in milliseconds: to connect, to take the next bytes, and for its verdict after the last byte.
   * Reading the file does not count. Default: 120,000.
   */
  readonly timeoutMs?: number;
  /** Files of more bytes are treated as too large without asking clamd. Default: clamd's `StreamMaxLength` decides. */
  readonly maxBytes?: number;
  /**
   * What becomes of files that are larger than `maxBytes` or clamd's `StreamMaxLength`: `reject` them (default), let them
   * `wait` as if the scanner were down, or `accept` them without a scan.
   */
  readonly tooLarge?: "reject" | "wait" | "accept";
}

/** Where clamd is, and what becomes of files it does not scan. */
export type ClamavOptions = ScanOptions &
  (
    | {
        /** Absolute path of clamd's unix socket (`LocalSocket`). */
        readonly socket: string;
        readonly host?: never;
        readonly port?: never;
      }
    | {
        readonly socket?: never;
        /** Where clamd listens (`TCPAddr`). Default: 127.0.0.1. The connection is not encrypted. */
        readonly host?: string;
        /** `TCPSocket`. */
        readonly port: number;
      }
  );

/**
 * Has every file scanned by ClamAV's daemon over its `INSTREAM` command: the bytes are sent to clamd, so it needs no access to the
 * folder, and may run in another container. One connection per file, bounded memory.
 *
 * - Clean: accepted. A signature matched: refused, and the message names it.
 * - clamd is down, too slow, closes in the middle, reports an error of its own or answers something else: StepError
 *   `STEP_UNAVAILABLE`. The file waits and is tried again; it is never let through.
 * - Larger than clamd takes: see `tooLarge`.
 *
 * clamd calls files clean that exceed its `MaxFileSize` or `MaxScanSize`, without having looked at all of them. Keep
 * `StreamMaxLength` at or below both, or set `AlertExceedsMax yes`, which makes such files a finding.
 *
 * The client is our own, a hundred lines: the npm packages for it start programs, or take the end of the connection for a verdict.
 * @throws InputError `INVALID_PIPELINE`
 */
export function clamav(options: ClamavOptions): CheckStep {
  const { name = "clamav" } = options;
  const address = addressOf(name, options);
  const timeoutMs = wholeNumber(name, "timeoutMs", options.timeoutMs ?? 120_000, 1, 2 ** 31 - 1);
  const maxBytes = wholeNumber(
    name,
    "maxBytes",
    options.maxBytes ?? Number.MAX_SAFE_INTEGER,
    0,
    Number.MAX_SAFE_INTEGER,
  );
  const tooLarge = oneOf(name, "tooLarge", options.tooLarge ?? "reject", ["reject", "wait", "accept"]);
  const shown = "socket" in address ? address.socket : `${address.host}:${address.port}`;
  const unavailable = (what: string, cause?: unknown): never => {
    throw new StepError("STEP_UNAVAILABLE", `clamd at ${shown} ${what}.`, { cause });
  };
  const large = (size: number, limit: string): CheckResult => {
    const fact = `The file has ${size} bytes, more than ${limit}`;
    if (tooLarge === "wait") throw new StepError("STEP_UNAVAILABLE", `${fact}; it waits for a larger limit.`);
    if (tooLarge === "accept") return { accepted: true, message: `${fact}: not scanned.` };
    return { accepted: false, message: `${fact}, so it cannot be scanned.` };
  };
  return defineStep({
    name,
    check: async (file) => {
      if (file.size > maxBytes) return large(file.size, `maxBytes (${maxBytes})`);
      let answer: ClamdAnswer;
      try {
        answer = await scanByClamd(address, () => file.stream(), timeoutMs, file.signal);
      } catch (error) {
        if (error instanceof NoAnswer) return unavailable(error.message, error.cause);
        throw error;
      }
      const { text, complete } = answer;
      if (/size limit exceeded/i.test(text)) return large(file.size, "clamd's StreamMaxLength");
      if (complete && text === "stream: OK") return { accepted: true, message: "clean" };
      const found = complete ? /^stream: (.+) FOUND$/.exec(text)?.[1] : undefined;
      if (found !== undefined) return { accepted: false, message: `ClamAV has found ${printable(found)}.` };
      return unavailable(`${complete ? "answered" : "answered before it had the whole file:"} ${printable(text)}`);
    },
  });
}

function addressOf(step: string, options: ClamavOptions): ClamdAddress {
  const { socket, host = "127.0.0.1", port } = options;
  if ((socket === undefined) === (port === undefined)) invalidStep(step, "give either socket or port (and host).");
  if (socket === undefined) return { host, port: wholeNumber(step, "port", port, 1, 65_535) };
  if (!isAbsolute(socket)) invalidStep(step, "socket must be an absolute path.");
  return { socket };
}

/** What another program says, fit for messages and timelines. */
function printable(text: string): string {
  const clean = text.replace(/[^\x20-\x7e]/g, "?");
  return clean.length > 200 ? `${clean.slice(0, 200)}…` : clean || "nothing";
}

import { stat } from "node:fs/promises";
import { SETTING_NAMES, settingOf } from "../config/settings.ts";
import { nearest } from "../nearest.ts";
import { printable } from "../output/printable.ts";
import { bytes, duration } from "../output/quantities.ts";
import { type Check, type Discovery, type Examination, ok, problem, warning } from "./finding.ts";

/** Unknown keys and wrong values never get here: they are refused, with their lines, before any command runs. */
export const settingsCheck: Check<Examination> = {
  name: "config",
  async run(examination) {
    const { config } = examination;
    const given = SETTING_NAMES.filter((name) => config.origins[name].from !== "default").length;
    const from = config.file === undefined ? "no settings file" : printable(config.file);
    const found = [
      ...unknownVariables(examination),
      ...memory(examination),
      ...times(examination),
      ...store(examination),
      ...server(examination),
      ...(await openSecrets(examination)),
    ];
    return [
      ok(`${given} of ${SETTING_NAMES.length} settings are set; ${from}.`, { given, file: config.file ?? null }),
      ...found,
    ];
  },
};

/** Read elsewhere than as a setting. */
const OTHER_VARIABLES = ["BUCKETLINE_CONFIG"];

function unknownVariables({ config }: Examination): Discovery[] {
  const known = [...SETTING_NAMES.flatMap((name) => settingOf(name).env), ...OTHER_VARIABLES];
  const unknown = Object.keys(config.environment).filter(
    (name) => name.startsWith("BUCKETLINE_") && !known.includes(name) && !name.startsWith("BUCKETLINE_TEST_"),
  );
  return unknown.map((name) => {
    const meant = nearest(name, known);
    const remedy = meant ? `Did you mean ${meant}?` : "Take it away; `bucketline config` shows what there is.";
    return warning(`The environment has ${printable(name)}, which is no setting.`, remedy, { variable: name });
  });
}

const SMALLEST_PART = 5 * 1024 ** 2;
/** Parts of one file in flight at once, when nobody has said how many. */
const FEWEST_PARTS = 4;

function memory({ config }: Examination): Discovery[] {
  const { chunkSize, memoryLimit, concurrency, partConcurrency = FEWEST_PARTS } = config.values;
  const part = Math.max(chunkSize, SMALLEST_PART);
  if (part > memoryLimit) {
    const message = `A part of ${bytes(part)} does not fit into the memory limit of ${bytes(memoryLimit)}.`;
    return [
      problem(message, "Raise transfer.memory_limit, or lower transfer.chunk_size.", {
        part,
        memory_limit: memoryLimit,
      }),
    ];
  }
  const wanted = part * concurrency * partConcurrency;
  if (wanted <= memoryLimit) return [];
  const parts = Math.floor(memoryLimit / part);
  const message = `${concurrency} files with ${partConcurrency} parts of ${bytes(part)} would need ${bytes(wanted)}; the memory limit lets ${parts} of these ${concurrency * partConcurrency} parts be in flight.`;
  const facts = { wanted, memory_limit: memoryLimit, parts };
  return parts >= concurrency
    ? [ok(message, facts)]
    : [
        warning(
          message,
          "Raise transfer.memory_limit, or lower transfer.chunk_size or transfer.worker_concurrency.",
          facts,
        ),
      ];
}

function times({ config }: Examination): Discovery[] {
  const { requestTimeout, lease, stabilityThreshold, monitorInterval, requeueFailedAfter } = config.values;
  const found: Discovery[] = [];
  if (requestTimeout < 5_000)
    found.push(
      warning(
        `Requests are given up after ${duration(requestTimeout / 1_000)}.`,
        "Raise transfer.request_timeout to some 30 s: a store that is busy takes longer to answer.",
      ),
    );
  if (lease < 10_000)
    found.push(
      warning(
        `A host counts as dead after ${duration(lease / 1_000)} without a sign of life.`,
        "Raise monitor.lease to 30 s: a long pause of the machine would have its files sent twice.",
      ),
    );
  if (stabilityThreshold === 0)
    found.push(
      warning(
        "Files are sent as soon as they are seen, also while they are being written.",
        "Set monitor.stability_threshold to some seconds, unless files appear by a rename.",
      ),
    );
  if (requeueFailedAfter > 0 && requeueFailedAfter < monitorInterval)
    found.push(
      warning(
        "Failed files are to be queued again more often than folders are scanned.",
        "Lower monitor.interval or raise monitor.requeue_failed_after.",
      ),
    );
  return found;
}

function store({ config }: Examination): Discovery[] {
  const { endpointUrl } = config.values;
  const { NODE_TLS_REJECT_UNAUTHORIZED: tls } = config.environment;
  const found: Discovery[] = [];
  const url = endpointUrl !== undefined && URL.canParse(endpointUrl) ? new URL(endpointUrl) : undefined;
  if (url?.protocol === "http:" && !isLoopback(url.hostname))
    found.push(
      warning(
        `Files go to ${printable(url.host)} unencrypted.`,
        "Use an https:// endpoint, unless the network between is yours alone.",
      ),
    );
  if (tls === "0")
    found.push(
      problem(
        "NODE_TLS_REJECT_UNAUTHORIZED is 0: anybody may pose as the object store.",
        "Take it away; name a certificate authority of your own with NODE_EXTRA_CA_CERTS.",
      ),
    );
  return found;
}

function server({ config }: Examination): Discovery[] {
  const { listenHost, tokenHash, tokensFile, jwtIssuer, jwtAudience } = config.values;
  const found: Discovery[] = [];
  if (jwtIssuer !== undefined && jwtAudience === undefined)
    found.push(problem("http.jwt_issuer is set without http.jwt_audience: `serve` will refuse to start.", "Set both."));
  if (!isLoopback(listenHost) && tokenHash === undefined && tokensFile === undefined && jwtIssuer === undefined)
    found.push(
      problem(
        `http.host is ${printable(listenHost)} and there is neither a token nor a JWT issuer: \`serve\` will refuse to start.`,
        "Set http.tokens_file, http.token_sha256 or http.jwt_issuer, or listen on 127.0.0.1.",
      ),
    );
  return found;
}

function isLoopback(host: string): boolean {
  return /^(localhost|127(\.\d+){3}|\[?::1\]?)$/i.test(host);
}

async function openSecrets({ config }: Examination): Promise<Discovery[]> {
  if (process.platform === "win32" || config.file === undefined) return [];
  const { file } = config;
  const hasSecret = SETTING_NAMES.some((name) => {
    const value = config.values[name];
    if (value === undefined || config.origins[name].from !== "file") return false;
    const { secret } = settingOf(name);
    return secret === "whole" || (secret === "password" && /:\/\/[^/]*:[^/]*@/.test(String(value)));
  });
  const mode = hasSecret ? (await stat(file)).mode & 0o077 : 0;
  if (mode === 0) return [];
  const message = `${printable(file)} holds secrets, and others of this machine may read it.`;
  return [warning(message, `Take their rights away (chmod 600), or keep secrets in the environment.`, { file })];
}

import { constants } from "node:fs";
import { access, stat, statfs } from "node:fs/promises";
import { dirname } from "node:path";
import { type KeySetting, keysOf, type PipelineSettings, stepsOf } from "../config/pipelines.ts";
import { printable } from "../output/printable.ts";
import { bytes, count } from "../output/quantities.ts";
import { askClamd } from "./clamd.ts";
import { type Check, type Discovery, type Examination, ok, problem, reasonOf, skipped, warning } from "./finding.ts";

/** Whether pipelines can do their work: virus scanners answer, keys can be read by us alone, the spool has room. */
export const pipelineCheck: Check<Examination> = {
  name: "pipelines",
  async run({ config, signal }) {
    const { pipelines, values } = config;
    const names = Object.keys(pipelines);
    if (names.length === 0) return [skipped("There are no pipelines.")];
    try {
      // The steps take long to load, and most machines have none.
      const { makePipelines } = await import("../assembly/pipelines.ts");
      makePipelines(pipelines);
    } catch (error) {
      return [problem(reasonOf(error), "Correct it in bucketline.yaml; docs/steps.md has the options.")];
    }
    return [
      ok(`${count(names.length, "pipeline")}: ${names.join(", ")}.`, { pipelines: names }),
      ...(await assessScanners(pipelines, signal)),
      ...(await Promise.all(keysOf(pipelines).map(assessKey))),
      await assessSpool(values.spoolFolder, values.spoolMaxBytes),
    ];
  },
};

async function assessScanners(pipelines: PipelineSettings, signal: AbortSignal): Promise<Discovery[]> {
  const places = stepsOf(pipelines, "clamav").map(({ options: { socket, host = "127.0.0.1", port = 0 } }) =>
    socket === undefined ? { host, port } : { socket },
  );
  const distinct = new Map(
    places.map((place) => ["socket" in place ? place.socket : `${place.host}:${place.port}`, place]),
  );
  return await Promise.all(
    [...distinct].map(async ([name, place]) => {
      const facts = { clamd: name };
      try {
        const version = await askClamd(place, signal);
        if (version.startsWith("ClamAV "))
          return ok(`clamd at ${printable(name)} answers: ${printable(version)}.`, facts);
        const message = `What answers at ${printable(name)} is not clamd: ${printable(version)}`;
        return problem(message, "Correct socket, or host and port, of the step clamav.", facts);
      } catch (error) {
        signal.throwIfAborted();
        const message = `clamd at ${printable(name)} does not answer: ${printable(reasonOf(error))}`;
        return problem(message, "Start it; until it answers, files of its pipelines wait.", facts);
      }
    }),
  );
}

const KEY_REMEDY = "A key file has 32 bytes (openssl rand -out FILE 32), which the user that runs Bucketline can read.";

async function assessKey({ id, keyFile }: KeySetting): Promise<Discovery> {
  const facts = { key: id };
  const name = `Key ${printable(id)}`;
  try {
    const { rawKey } = await import("@bucketline/steps");
    await rawKey({ id, keyFile }).keyring();
    const { mode } = await stat(keyFile);
    if (process.platform === "win32" || (mode & 0o077) === 0)
      return ok(`${name} can be read, by its owner only.`, facts);
    const message = `${name} can be read by others of this machine (mode ${(mode & 0o777).toString(8)}).`;
    const remedy = "Take their rights away (chmod 400), and change the key if somebody may have seen it.";
    return (mode & 0o007) === 0 ? warning(message, remedy, facts) : problem(message, remedy, facts);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? "";
    // Messages of the file system would tell where the key is.
    const why = code.startsWith("INVALID_") ? reasonOf(error) : code;
    return problem(`${name} cannot be used: ${printable(why)}`, KEY_REMEDY, facts);
  }
}

async function assessSpool(folder: string, maxBytes: number): Promise<Discovery> {
  const facts = { folder, max_bytes: maxBytes };
  const name = `The spool folder ${printable(folder)}`;
  try {
    const existing = await nearestFolder(folder);
    await access(existing, constants.W_OK | constants.X_OK);
    const { bavail, bsize } = await statfs(existing);
    const free = bavail * bsize;
    if (free >= maxBytes) return ok(`${name} can be written; ${bytes(free)} are free.`, { ...facts, free });
    const message = `${name} may take ${bytes(maxBytes)}, and ${bytes(free)} are free.`;
    return warning(message, "Free space, lower spool.max_bytes, or move spool.folder to another disk.", {
      ...facts,
      free,
    });
  } catch (error) {
    const message = `${name} cannot be written: ${printable(reasonOf(error))}`;
    return problem(message, "Give the user that runs Bucketline the right to, or set spool.folder.", facts);
  }
}

/** The folder, or the one in which it would be made. */
async function nearestFolder(folder: string): Promise<string> {
  const facts = await stat(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
  if (facts?.isDirectory()) return folder;
  if (facts) throw new Error(`${folder} is no folder.`);
  return await nearestFolder(dirname(folder));
}

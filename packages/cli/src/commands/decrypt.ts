import { open, stat } from "node:fs/promises";
import { basename, resolve } from "node:path";
import { type DecryptOptions, decryptFile, decryptStream, type KeyProvider, rawKey } from "@bucketline/steps";
import { pairs } from "../assembly/registration.ts";
import { keysOf } from "../config/pipelines.ts";
import type { Context } from "../context.ts";
import { CommandError, codeOf, EXIT, UsageError } from "../errors.ts";
import { printable } from "../output/printable.ts";
import { bytes } from "../output/quantities.ts";

interface DecryptArguments {
  /** Paths; `-` for standard input and output. */
  readonly from: string;
  readonly to: string;
  readonly keyFile?: readonly string[];
  readonly keyId?: readonly string[];
  /** `NAME=VALUE`. */
  readonly context?: readonly string[];
  readonly force?: boolean;
}

/** Decrypts one file that the step `encrypt` has made. */
export async function run(context: Context, args: DecryptArguments): Promise<undefined> {
  const { folder, output, cut, signal } = context;
  const options: DecryptOptions = {
    keys: await keysFor(context, args),
    context: pairs("--context", args.context ?? []),
    signal: AbortSignal.any([signal, cut]),
  };
  const from = args.from === "-" ? process.stdin : await opened(resolve(folder, args.from));
  try {
    if (args.to === "-") return await toStandardOutput(context, from, options);
    const to = resolve(folder, args.to);
    if (!args.force) await refuseExisting(to);
    const done = await decryptFile(from, to, { ...options, overwrite: args.force === true });
    output.record({ event: "decrypted", to, bytes: done.bytes });
    output.line(`Decrypted and authenticated: ${printable(to)}, ${bytes(done.bytes)}.`);
  } catch (error) {
    throw explained(error);
  } finally {
    from.destroy();
  }
}

async function toStandardOutput(
  { output }: Context,
  from: AsyncIterable<Uint8Array>,
  options: DecryptOptions,
): Promise<undefined> {
  output.note("Nothing of the output may be trusted before this ends with exit code 0.");
  for await (const chunk of decryptStream(from, options))
    await new Promise<void>((done, fail) => process.stdout.write(chunk, (error) => (error ? fail(error) : done())));
}

/** @throws UsageError */
async function opened(path: string) {
  try {
    return (await open(path)).createReadStream();
  } catch (error) {
    throw explained(error);
  }
}

/**
 * Keys that are named have to be there; those of the settings need not all be, as one of them is enough.
 * @throws UsageError
 */
async function keysFor(
  { config, folder }: Context,
  { keyFile = [], keyId = [] }: DecryptArguments,
): Promise<KeyProvider[]> {
  if (keyId.length > 0 && keyId.length !== keyFile.length)
    throw new UsageError("Give --key-id once for each --key-file, in the same order, or not at all.");
  const given = keyFile.map((path, index) =>
    rawKey({ id: keyId[index] ?? basename(path).replace(/\.[^.]*$/, ""), keyFile: resolve(folder, path) }),
  );
  try {
    for (const key of given) await key.keyring();
  } catch (error) {
    throw explained(error);
  }
  const keys = given.length > 0 ? given : keysOf(config.pipelines).map((key) => rawKey(key));
  if (keys.length > 0) return keys;
  throw new UsageError("There is no key: give --key-file, or pipelines with encrypt in bucketline.yaml.");
}

/** Said before hours of work, not after them. @throws CommandError */
async function refuseExisting(path: string): Promise<void> {
  if (!(await stat(path).catch(() => undefined))) return;
  throw new CommandError("INVALID_OPTION", EXIT.usage, `${printable(path)} exists already.`, {
    remedy: "Remove it, choose another name, or replace it with --force.",
  });
}

const FILE_ERRORS = ["ENOENT", "EACCES", "EPERM", "EISDIR", "ENOTDIR"];

/** Paths that cannot be used are the command line's fault. */
function explained(error: unknown): unknown {
  const code = codeOf(error);
  if (!(error instanceof Error) || code === undefined || !FILE_ERRORS.includes(code)) return error;
  return new UsageError(printable(error.message), { cause: error });
}

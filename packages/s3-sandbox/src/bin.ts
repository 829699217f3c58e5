#!/usr/bin/env node
import { parseArgs } from "node:util";
import { DEFAULT_CREDENTIALS, type SandboxOptions, startSandbox } from "./sandbox.ts";

const USAGE = `Usage: s3-sandbox [options]

Serves S3 on this machine for development and tests. Prints one JSON line when it is ready.

  --port N             port to listen on (default: a free one)
  --host ADDRESS       address to listen on (default: 127.0.0.1)
  --directory PATH     keep everything there (default: in memory)
  --bucket NAME        create the bucket if it is missing; may be repeated
  --access-key ID      accepted access key (default: ${DEFAULT_CREDENTIALS.accessKeyId})
  --secret-key SECRET  its secret (default: ${DEFAULT_CREDENTIALS.secretAccessKey})
  --region NAME        region that requests must be signed for (default: us-east-1)
  --min-part-size N    smallest part in bytes, the last one excepted (default: 5242880)
  --request-log PATH   append every finished request as one JSON line
  --help               show this text
`;

/** Thrown for arguments that cannot be used; the message is for the user. */
class UsageError extends Error {}

function integer(text: string | undefined, name: string, max: number): number | undefined {
  if (text === undefined) return undefined;
  if (/^\d{1,15}$/.test(text) && Number(text) <= max) return Number(text);
  throw new UsageError(`--${name} takes a whole number from 0 to ${max}, not "${text}".`);
}

function parse(argv: string[]) {
  const text = { type: "string" } as const;
  try {
    return parseArgs({
      args: argv,
      options: {
        port: text,
        host: text,
        directory: text,
        bucket: { type: "string", multiple: true },
        "access-key": text,
        "secret-key": text,
        region: text,
        "min-part-size": text,
        "request-log": text,
        help: { type: "boolean" },
      },
    }).values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

/** Options from the command line, or undefined when help is asked for. */
function readOptions(argv: string[]): SandboxOptions | undefined {
  const values = parse(argv);
  if (values.help) return undefined;
  const port = integer(values.port, "port", 65_535);
  const minPartSize = integer(values["min-part-size"], "min-part-size", Number.MAX_SAFE_INTEGER);
  return {
    credentials: {
      accessKeyId: values["access-key"] ?? DEFAULT_CREDENTIALS.accessKeyId,
      secretAccessKey: values["secret-key"] ?? DEFAULT_CREDENTIALS.secretAccessKey,
    },
    buckets: values.bucket ?? [],
    ...(port === undefined ? {} : { port }),
    ...(minPartSize === undefined ? {} : { minPartSize }),
    ...(values.host === undefined ? {} : { host: values.host }),
    ...(values.directory === undefined ? {} : { storage: { directory: values.directory } }),
    ...(values.region === undefined ? {} : { region: values.region }),
    ...(values["request-log"] === undefined ? {} : { requestLog: values["request-log"] }),
  };
}

async function main(): Promise<void> {
  const options = readOptions(process.argv.slice(2));
  if (!options) {
    process.stdout.write(USAGE);
    return;
  }
  const sandbox = await startSandbox(options);
  const stop = (): void => {
    sandbox.close().then(
      () => process.exit(0),
      (error: unknown) => fail(error, 1),
    );
  };
  process.once("SIGTERM", stop);
  process.once("SIGINT", stop);
  const { endpoint, port, region, credentials } = sandbox;
  const ready = {
    endpoint,
    port,
    region,
    accessKeyId: credentials.accessKeyId,
    buckets: sandbox.buckets(),
    pid: process.pid,
  };
  process.stdout.write(`${JSON.stringify(ready)}\n`);
}

function fail(error: unknown, status: number): never {
  process.stderr.write(`s3-sandbox: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(status);
}

main().catch((error: unknown) => {
  if (error instanceof UsageError) fail(`${error.message} Try --help.`, 2);
  fail(error, 1);
});

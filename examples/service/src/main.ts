import { BucketlineError, UploadService } from "@bucketline/core";
import { createServer, HttpError, LOG_REDACTION, stopOnSignal } from "@bucketline/http";
import { pino } from "pino";
import { followDemoFolder, makeDemoFolder } from "./demo.ts";
import { readSettings, SettingError, type Settings } from "./settings.ts";
import { makeLedger, openDestination } from "./stores.ts";

async function main(settings: Settings): Promise<void> {
  const logger = pino({ level: settings.logLevel, redact: LOG_REDACTION }, pino.destination(2));
  const state = makeLedger(settings);
  const destination = await openDestination(settings);
  const isDemo = settings.roots.length === 0;
  const demoFolder = isDemo ? makeDemoFolder(settings.dataFolder) : "";
  const service = new UploadService({
    state,
    objects: destination.objects,
    logger,
    allowedRoots: isDemo ? [demoFolder] : settings.roots,
    ...settings.engine,
  });
  const { host, port, auth, webhooks, buckets, allowedHosts, trustProxy } = settings;
  const server = await createServer({
    service,
    host,
    port,
    webhooks,
    logger,
    ...(auth && { auth }),
    ...(buckets && { buckets }),
    ...(allowedHosts && { allowedHosts }),
    ...(trustProxy && { trustProxy }),
  });
  const stopped = stopOnSignal({ server, service, logger });
  await service.start();
  if (isDemo && !settings.ownBucket) await followDemoFolder(service, demoFolder);
  process.stdout.write(`Bucketline answers at ${server.url}\nObjects go to ${destination.place}\n`);
  await stopped;
  await destination.close();
}

try {
  await main(readSettings(process.env));
  process.exit(0);
} catch (error) {
  if (![SettingError, BucketlineError, HttpError].some((kind) => error instanceof kind)) throw error;
  const { message } = error as Error;
  process.stderr.write(`${message}\n`);
  process.exit(error instanceof SettingError ? 2 : 1);
}

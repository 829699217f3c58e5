import { type ServiceOptions, UploadService } from "@bucketline/core";
import type { Config } from "../config/config.ts";
import type { Context } from "../context.ts";
import { tellWarnings } from "../output/event-lines.ts";
import { makeLogger } from "./log.ts";
import { NoBucket } from "./no-bucket.ts";
import { locationOf, makeObjects } from "./objects.ts";
import { explainBusy, makeStore } from "./stores.ts";

export interface ServiceNeeds {
  /** Whether the command talks to the bucket; otherwise the AWS SDK is not loaded. */
  readonly bucket: boolean;
  /** Whether the command may make the ledger. */
  readonly makesLedger: boolean;
  /** Whether the command works by pipelines, which takes loading their steps. Default: when it talks to the bucket. */
  readonly pipelines?: boolean;
  /** The log's level when nobody has set one. Default: silent. */
  readonly usualLevel?: "info" | "silent";
  /** Whether the command tells warnings in a way of its own. */
  readonly tellsWarnings?: boolean;
  /** What the command itself decides, whatever is configured. */
  readonly options?: Partial<ServiceOptions>;
}

/** The service that the settings describe, not started. @throws UsageError · CommandError `NO_LEDGER` */
export async function makeService({ config }: Context, needs: ServiceNeeds): Promise<UploadService> {
  const level = config.values.logLevel ?? needs.usualLevel ?? "silent";
  return new UploadService({
    ...engineOptions(config),
    ...((needs.pipelines ?? needs.bucket) && (await pipelineOptions(config))),
    ...(level !== "silent" && { logger: makeLogger(config, needs.usualLevel ?? "silent") }),
    ...(needs.bucket && { storeLocation: locationOf(config) }),
    objects: needs.bucket ? await makeObjects(config) : new NoBucket(),
    ...needs.options,
    state: needs.options?.state ?? (await makeStore(config, { mustExist: !needs.makesLedger })),
  });
}

/** Works with a service and stops it afterwards, however the work ends. */
export async function withService<T>(
  context: Context,
  needs: ServiceNeeds,
  work: (service: UploadService) => Promise<T>,
): Promise<T> {
  const service = await makeService(context, needs);
  if (!needs.tellsWarnings) tellWarnings(service, context.output);
  try {
    return await work(service);
  } catch (error) {
    throw explainBusy(error, context.config);
  } finally {
    await service.stop({ signal: context.cut });
  }
}

async function pipelineOptions({ pipelines }: Config): Promise<Pick<ServiceOptions, "pipelines">> {
  if (Object.keys(pipelines).length === 0) return {};
  const { makePipelines } = await import("./pipelines.ts");
  return { pipelines: makePipelines(pipelines) };
}

/** The settings of the engine as the library has them. */
export function engineOptions({ values }: Config): Partial<ServiceOptions> {
  const { partConcurrency, bandwidthLimit, activeHours, host, retryAttempts, events } = values;
  return {
    concurrency: values.concurrency,
    ...(partConcurrency !== undefined && { partConcurrency }),
    chunkSize: values.chunkSize,
    memoryLimit: values.memoryLimit,
    requestTimeout: values.requestTimeout,
    monitorInterval: values.monitorInterval,
    stabilityThreshold: values.stabilityThreshold,
    requeueFailedAfter: values.requeueFailedAfter,
    orphanAge: values.orphanAge,
    lease: values.lease,
    stepTimeout: values.stepTimeout,
    spool: { folder: values.spoolFolder, maxBytes: values.spoolMaxBytes },
    retry: { attempts: retryAttempts },
    ...(bandwidthLimit !== undefined && { bandwidthLimit }),
    ...(activeHours !== undefined && { activeHours }),
    ...(host !== undefined && { host }),
    ...(!events && { watcher: "none" as const }),
  };
}

import { createHash, randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { ApiAnswers } from "./api-host.ts";
import { Child } from "./child.ts";
import type { LoadAnswers, LoadResult } from "./load.ts";
import type { Reading } from "./meter.ts";
import type { Options } from "./options.ts";
import type { SandboxAnswers } from "./sandbox.ts";

const BUCKET = "bench";
const OTHERS = 200;
/** Until compiled code and caches are as they stay. */
const WARM_UP_SECONDS = 5;

export interface ApiCost {
  readonly load: LoadResult;
  readonly busy: Reading;
  /** Files per second. */
  readonly alone: { readonly before: number; readonly after: number };
  readonly beside: number;
}

/** Makes requests for so many seconds beside an upload, which is alone for half as many before and after. */
export async function measureApi({ seconds, rate, files, folder: base, profiles }: Options): Promise<ApiCost> {
  const sandbox = new Child<SandboxAnswers>("sandbox.ts");
  const host = new Child<ApiAnswers>("api-host.ts", profiles);
  const load = new Child<LoadAnswers>("load.ts");
  try {
    const client = await sandbox.ask("start", BUCKET);
    const token = randomBytes(24).toString("base64url");
    const sha256 = createHash("sha256").update(token).digest("hex");
    const { url, folder } = await host.ask("start", {
      folder: base,
      client,
      bucket: BUCKET,
      files,
      others: OTHERS,
      sha256,
    });
    const requests = async (duration: number) => {
      const { running } = await host.ask("read");
      return await load.ask("run", { base, url, token, rate, seconds: duration, running, folder, bucket: BUCKET });
    };
    const alone = async () => {
      await host.ask("read");
      await sleep(seconds * 500);
      const reading = await host.ask("read");
      return reading.uploaded / reading.seconds;
    };
    await requests(WARM_UP_SECONDS);
    const before = await alone();
    const result = await requests(seconds);
    const busy = await host.ask("read");
    return { load: result, busy, beside: busy.uploaded / busy.seconds, alone: { before, after: await alone() } };
  } finally {
    await load.end();
    await host.end();
    await sandbox.end();
  }
}

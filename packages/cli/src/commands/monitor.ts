import { withService } from "../assembly/service.ts";
import { ledgerPlace } from "../assembly/stores.ts";
import type { Context } from "../context.ts";
import { tellEvents } from "../output/event-lines.ts";
import { untilStopped } from "../transfer/until-stopped.ts";

/** Follows every registered folder until it is stopped. */
export async function run(context: Context): Promise<undefined> {
  const { config, output, signal, cut } = context;
  const { roots } = config.values;
  const options = roots ? { allowedRoots: roots } : {};
  await withService(
    context,
    { bucket: true, makesLedger: true, usualLevel: "info", tellsWarnings: true, options },
    async (service) => {
      tellEvents(service, output);
      await service.start({ signal });
      output.note(`Following the uploads of ${ledgerPlace(config)}. Ctrl-C ends it.`);
      await untilStopped(context);
    },
  );
  // A service that was told to end, and did, has done what it was to do.
  cut.throwIfAborted();
}

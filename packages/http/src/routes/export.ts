import { Readable } from "node:stream";
import { Type } from "typebox";
import type { App, HttpContext } from "../context.ts";
import { answers } from "../schemas/answers.ts";

const Lines = {
  description: "One JSON document a line.",
  content: { "application/x-ndjson": { schema: Type.Unsafe<Readable>({ type: "string" }) } },
};

/** The whole ledger, for another store or a backup. */
export async function exportRoutes(app: App, { service }: HttpContext): Promise<void> {
  app.get(
    "/export",
    {
      config: { scope: "admin" },
      // A HEAD would read the ledger for nothing.
      exposeHeadRoute: false,
      schema: {
        operationId: "exportLedger",
        summary: "The whole ledger as lines of JSON",
        description: "An answer that was cut off lacks the last line, and is refused by the import.",
        tags: ["service"],
        response: answers({ 200: Lines }),
      },
    },
    async (_request, reply) => {
      const lines = service.export();
      // Failures that come at once are answered as problems; later ones cut the answer off.
      const first = await lines.next();
      const all = async function* () {
        if (first.done) return;
        yield first.value;
        yield* lines;
      };
      return reply
        .type("application/x-ndjson; charset=utf-8")
        .header("content-disposition", 'attachment; filename="bucketline-ledger.ndjson"')
        .send(Readable.from(all(), { objectMode: false }));
    },
  );
}

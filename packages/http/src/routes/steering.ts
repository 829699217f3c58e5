import type { Finding, Plan } from "@bucketline/core";
import { Type } from "typebox";
import type { App, HttpContext } from "../context.ts";
import { disconnected } from "../disconnect.ts";
import { changeMatched, etagOf } from "../etag.ts";
import { refuseForeign, registerOptions } from "../registration.ts";
import { answers, ETAG, saying } from "../schemas/answers.ts";
import { UploadParams } from "../schemas/common.ts";
import {
  CheckedUpload,
  CheckUpload,
  PlanQuery,
  PlanRequest,
  PlanView,
  RetriedUpload,
  StartedCheck,
  VerificationView,
  VerifyUpload,
} from "../schemas/steering.ts";
import { ChangeHeaders, CreateUpload, UploadView } from "../schemas/upload.ts";
import { findingView, planItemView, planTotalsView, scanView, uploadView } from "../views.ts";

const ITEMS = 100;

const CHECKED = {
  200: saying("The scan is over.", CheckedUpload),
  202: saying("The scan is under way.", StartedCheck),
};
const PLAN = saying("What would be done; nothing has been.", PlanView);

/** Pauses, resumes, retries and scans uploads, and says what a scan would do or what the bucket holds. */
export async function steeringRoutes(app: App, context: HttpContext): Promise<void> {
  suspensionRoutes(app, context);
  checkRoute(app, context);
  planRoutes(app, context);
  verifyRoute(app, context);
}

function suspensionRoutes(app: App, { service }: HttpContext): void {
  const { admin, schema } = { admin: { scope: "admin" } as const, schema: { tags: ["uploads"], params: UploadParams } };
  for (const action of ["pause", "resume"] as const) {
    app.post(
      `/uploads/:upload_id/${action}`,
      {
        config: admin,
        schema: {
          ...schema,
          operationId: `${action}Upload`,
          summary: action === "pause" ? "Stop an upload's transfers until it is resumed" : "Go on with a paused upload",
          headers: ChangeHeaders,
          response: answers({ 200: saying("The upload as it is now.", UploadView, ETAG) }, 404, 409, 412),
        },
      },
      async ({ params: { upload_id }, headers }, reply) => {
        const upload = await changeMatched(
          headers["if-match"],
          () => service.get(upload_id),
          (options) => service[action](upload_id, options),
        );
        return reply.header("etag", etagOf(upload)).send(uploadView(upload));
      },
    );
  }
  app.post(
    "/uploads/:upload_id/retry",
    {
      config: admin,
      schema: {
        ...schema,
        operationId: "retryUpload",
        summary: "Queue every failed file of an upload again",
        response: answers({ 200: saying("How many files were queued again.", RetriedUpload) }, 404, 409),
      },
    },
    async ({ params }) => ({ upload_id: params.upload_id, files: await service.retry(params.upload_id) }),
  );
}

function checkRoute(app: App, { service }: HttpContext): void {
  app.post(
    "/uploads/:upload_id/check",
    {
      config: { scope: "admin" },
      schema: {
        operationId: "checkUpload",
        summary: "Scan the folder now",
        description: "Answers 202 as soon as the scan is under way; with `wait`, 200 when it is over.",
        tags: ["uploads"],
        params: UploadParams,
        body: Type.Optional(CheckUpload),
        response: answers(CHECKED, 404, 409, 413, 415, 422),
      },
    },
    async ({ params: { upload_id }, body = {}, log }, reply) => {
      const request = { trustFolder: body.trust_folder ?? false, allowDeletes: body.allow_deletes ?? false };
      if (body.wait) {
        const scan = await service.check(upload_id, { ...request, signal: disconnected(reply) });
        return reply.code(200).send({ upload_id, scan: scan ? scanView(scan) : null });
      }
      const scan = service.check(upload_id, request);
      scan.catch((error: unknown) => log.info({ err: error, uploadId: upload_id }, "a scan that was asked for failed"));
      // By then the service has seen whether the upload may be scanned: a refusal is known, and wins.
      await Promise.race([scan, service.get(upload_id).then(() => service.get(upload_id))]);
      return reply.code(202).send({ upload_id, status: "started" });
    },
  );
}

function planRoutes(app: App, context: HttpContext): void {
  const { service } = context;
  app.post(
    "/uploads/plan",
    {
      config: { scope: "admin" },
      schema: {
        operationId: "planNewUpload",
        summary: "What an upload would do, without registering it",
        tags: ["uploads"],
        querystring: PlanQuery,
        body: CreateUpload,
        response: answers({ 200: PLAN }, 409, 413, 415, 422, 502),
      },
    },
    async ({ body, query }, reply) => {
      refuseForeign(context, body);
      const { limit = ITEMS, ask_bucket: askBucket = false } = query;
      return await planView(
        await service.plan(registerOptions(body), { askBucket, signal: disconnected(reply) }),
        limit,
      );
    },
  );
  app.post(
    "/uploads/:upload_id/plan",
    {
      config: { scope: "admin" },
      schema: {
        operationId: "planUpload",
        summary: "What a scan would do now, without doing it",
        tags: ["uploads"],
        params: UploadParams,
        body: Type.Optional(PlanRequest),
        response: answers({ 200: PLAN }, 404, 409, 413, 415, 422, 502),
      },
    },
    async ({ params, body = {} }, reply) => {
      const plan = await service.plan(params.upload_id, {
        askBucket: body.ask_bucket ?? false,
        trustFolder: body.trust_folder ?? false,
        allowDeletes: body.allow_deletes ?? false,
        signal: disconnected(reply),
      });
      return await planView(plan, body.limit ?? ITEMS);
    },
  );
}

/** The first items, and the totals of all. */
async function planView(plan: Plan, limit: number) {
  const items = [];
  let truncated = false;
  for await (const item of plan) {
    if (items.length < limit) items.push(planItemView(item));
    else truncated = true;
  }
  return { upload_id: plan.uploadId, items, truncated, totals: planTotalsView(await plan.totals()) };
}

function verifyRoute(app: App, { service }: HttpContext): void {
  app.post(
    "/uploads/:upload_id/verify",
    {
      config: { scope: "admin" },
      schema: {
        operationId: "verifyUpload",
        summary: "Compare the ledger with the bucket",
        tags: ["uploads"],
        params: UploadParams,
        body: Type.Optional(VerifyUpload),
        response: answers(
          { 200: saying("What differs; nothing has been deleted.", VerificationView) },
          404,
          409,
          413,
          415,
          422,
          502,
        ),
      },
    },
    async ({ params, body = {} }, reply) => {
      const { limit = ITEMS, repair, deep } = body;
      const findings: Finding[] = [];
      let truncated = false;
      const onFinding = (finding: Finding) => {
        if (findings.length < limit) findings.push(finding);
        else truncated = true;
      };
      const signal = disconnected(reply);
      const report = await service.verify(params.upload_id, { repair, deep, onFinding, signal });
      const { uploadId, checkedFiles, ...counts } = report;
      const told = { findings: findings.map(findingView), truncated };
      return { upload_id: uploadId, checked_files: checkedFiles, ...counts, ...told };
    },
  );
}

import type { NoticeState } from "@bucketline/core";
import { Type } from "typebox";
import type { App, HttpContext } from "../context.ts";
import { afterCursor, cursorFor } from "../cursor.ts";
import { answers, saying } from "../schemas/answers.ts";
import { listOf, Nullable, PageQuery } from "../schemas/common.ts";
import { COUNTED, NoticeStateName, NoticeView, WebhookTestView, WebhookView } from "../schemas/notice.ts";
import { Turns } from "../turns.ts";
import { webhooksOf } from "../webhooks/registered.ts";
import { noticeView, webhookTestView, webhookView } from "../webhooks/views.ts";

const WebhookList = Type.Object({ webhooks: Type.Array(WebhookView) }, { $id: "WebhookList" });
const NoticeList = Type.Object(
  { notices: Type.Array(NoticeView), next_cursor: Nullable(Type.String()) },
  { $id: "NoticeList" },
);

const Name = Type.String({ pattern: "^[A-Za-z0-9._-]{1,64}$", description: "Name of a webhook or other subscriber." });

const NoticeQuery = Type.Object(
  {
    ...PageQuery,
    state: listOf(NoticeStateName, "Only notices in one of these states."),
    subscriber: Type.Optional(Name),
  },
  { additionalProperties: false },
);

const WebhookParams = Type.Object({ name: Name });
const NoticeParams = Type.Object({
  notice_id: Type.String({ minLength: 1, maxLength: 256, description: "Id of the notice." }),
});

/** Shows who is told of what, tests it, and lists, retries and discards what waits or could not be delivered. */
export async function noticeRoutes(app: App, context: HttpContext): Promise<void> {
  webhookRoutes(app, context);
  listRoutes(app, context);
  changeRoutes(app, context);
}

function webhookRoutes(app: App, context: HttpContext): void {
  const { outbox } = context.service;
  const webhooks = webhooksOf(context);
  const turns = new Turns();
  const count = async (subscriber: string, state: NoticeState) =>
    (await outbox.list({ subscriber, states: [state], limit: COUNTED })).length;

  app.get(
    "/webhooks",
    {
      config: { scope: "read" },
      schema: {
        operationId: "listWebhooks",
        summary: "Who is told of what, and how that goes",
        tags: ["webhooks"],
        response: answers({ 200: saying("The configured webhooks.", WebhookList) }),
      },
    },
    async () => {
      const views: WebhookView[] = [];
      for (const courier of webhooks.couriers) {
        const { name } = courier.endpoint;
        views.push(webhookView(courier, { due: await count(name, "DUE"), dead: await count(name, "DEAD") }));
      }
      return { webhooks: views };
    },
  );

  app.post(
    "/webhooks/:name/test",
    {
      config: { scope: "admin" },
      schema: {
        operationId: "testWebhook",
        summary: "Send a signed test message now",
        description:
          "Sends `bucketline.test` once and waits for the answer. When it arrives, deliveries that were held or slowed down go on.",
        tags: ["webhooks"],
        params: WebhookParams,
        response: answers({ 200: saying("It was sent; `delivered` says whether it arrived.", WebhookTestView) }, 404),
      },
    },
    // One after the other, so that a client cannot make us storm a receiver.
    ({ params: { name } }) => turns.take(name, async () => webhookTestView(await webhooks.test(name))),
  );
}

function listRoutes(app: App, { service: { outbox } }: HttpContext): void {
  app.get(
    "/notices",
    {
      config: { scope: "read" },
      schema: {
        operationId: "listNotices",
        summary: "What waits to be delivered, and what could not be, oldest first",
        description: "Of every subscriber, also of those that are not configured any more.",
        tags: ["webhooks"],
        querystring: NoticeQuery,
        response: answers({ 200: saying("A page of notices.", NoticeList) }),
      },
    },
    async ({ query: { limit = 100, cursor, state: states, subscriber } }) => {
      const list = ["notices", states ?? null, subscriber ?? null];
      const after = afterCursor(list, cursor);
      const found = await outbox.list({
        limit: limit + 1,
        ...(after === undefined ? {} : { after }),
        ...(states ? { states } : {}),
        ...(subscriber === undefined ? {} : { subscriber }),
      });
      const page = found.slice(0, limit);
      const last = found.length > limit ? page.at(-1) : undefined;
      return { notices: page.map(noticeView), next_cursor: last ? cursorFor(list, last.id) : null };
    },
  );

  app.get(
    "/notices/:notice_id",
    {
      config: { scope: "read" },
      schema: {
        operationId: "getNotice",
        summary: "One notice",
        tags: ["webhooks"],
        params: NoticeParams,
        response: answers({ 200: saying("The notice.", NoticeView) }, 404),
      },
    },
    async ({ params }) => noticeView(await outbox.get(params.notice_id)),
  );
}

function changeRoutes(app: App, { service: { outbox } }: HttpContext): void {
  app.post(
    "/notices/:notice_id/retry",
    {
      config: { scope: "admin" },
      schema: {
        operationId: "retryNotice",
        summary: "Deliver a dead notice after all, as if it were new",
        tags: ["webhooks"],
        params: NoticeParams,
        response: answers({ 200: saying("It is due again.", NoticeView) }, 404, 409),
      },
    },
    async ({ params }) => noticeView(await outbox.revive(params.notice_id)),
  );

  app.delete(
    "/notices/:notice_id",
    {
      config: { scope: "admin" },
      schema: {
        operationId: "discardNotice",
        summary: "Remove a notice, delivered or not",
        tags: ["webhooks"],
        params: NoticeParams,
        response: answers({ 204: Type.Null() }, 404),
      },
    },
    async ({ params }, reply) => {
      await outbox.discard(params.notice_id);
      return reply.code(204).send(null);
    },
  );
}

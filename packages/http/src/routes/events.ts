import type { FastifyReply, FastifyRequest } from "fastify";
import { Type } from "typebox";
import { accessOf } from "../access/control.ts";
import type { App, HttpContext } from "../context.ts";
import { STREAM_HEADERS } from "../live/answer.ts";
import { Broadcast } from "../live/broadcast.ts";
import type { Filter } from "../live/selection.ts";
import { liveSettings } from "../live/settings.ts";
import { answers } from "../schemas/answers.ts";
import { UploadParams } from "../schemas/common.ts";
import { describeEvents, EVENT_NAMES } from "../schemas/events.ts";

const MAX_ID_LENGTH = 1000;
/** How long one stream lasts of somebody whom the host vouches for. */
const HOST_TRUST_MS = 5 * 60_000;

const LastEventId = Type.Optional(
  Type.String({
    maxLength: MAX_ID_LENGTH,
    description: "Goes on after this event, for clients that cannot send the header Last-Event-ID, which counts more.",
  }),
);

const EventQuery = Type.Object(
  {
    types: Type.Optional(
      Type.Array(Type.Enum([...EVENT_NAMES]), {
        minItems: 1,
        maxItems: 100,
        description: "Only these events, as `a,b` or by repeating the parameter; `reset` and `bye` come all the same.",
      }),
    ),
    last_event_id: LastEventId,
  },
  { additionalProperties: false },
);

const EventHeaders = Type.Object({
  "last-event-id": Type.Optional(
    Type.String({ description: "The id of the last event that was received: the stream goes on after it." }),
  ),
});

const DESCRIPTION = `Server-Sent Events. The \`data\` of an event is one JSON object:

${describeEvents()}

A client that comes back with the id of its last event gets what it missed. When that is no longer kept, or was told by another
run of the service, the first event is \`reset\` (\`at\`): read again what you show. Before the service ends a stream, it sends
\`bye\` (\`at\`, \`reason\`: \`expired\` with the credential, or \`stopping\`). A client that does not keep up gets the newest of the
\`progress\` events only, and is cut off when too much waits for it; it goes on where it was when it comes back.`;

const Events = { description: DESCRIPTION, content: { "text/event-stream": { schema: Type.String() } } };

/** Streams of events: of all uploads, and of one. */
export async function eventRoutes(app: App, context: HttpContext): Promise<void> {
  const { service, options } = context;
  const broadcast = new Broadcast(service, liveSettings(options.events));
  // Before the server waits for its connections to end.
  app.addHook("preClose", () => broadcast.close());
  accessOf(context).authentication?.sessions.onEnd(() => broadcast.shutOut());

  const answer = (request: FastifyRequest, reply: FastifyReply, filter: Filter, since: string | undefined) => {
    if (request.method === "HEAD") {
      broadcast.refuseIfStopped();
      return reply.headers(STREAM_HEADERS).send();
    }
    const { principal } = request;
    // The client may have gone meanwhile, and then no end of it would be seen.
    if (reply.raw.destroyed) return reply.hijack();
    const header = request.headers["last-event-id"];
    const last = header === undefined || header === "" ? since : String(header);
    broadcast.open(reply, {
      client: principal ? `principal ${principal.name}` : `address ${request.ip}`,
      filter,
      lastEventId: last === "" ? undefined : last,
      expiresAt: endOf(context, request),
      isAdmitted: admission(context, request),
    });
    return reply;
  };

  app.get(
    "/events",
    {
      config: { scope: "read" },
      schema: {
        operationId: "streamEvents",
        summary: "What happens, as it happens",
        tags: ["events"],
        headers: EventHeaders,
        querystring: EventQuery,
        response: answers({ 200: Events }),
      },
    },
    async (request, reply) => {
      const { types = null, last_event_id } = request.query;
      return answer(request, reply, { uploadId: null, types }, last_event_id);
    },
  );

  app.get(
    "/uploads/:upload_id/events",
    {
      config: { scope: "read" },
      schema: {
        operationId: "streamUploadEvents",
        summary: "What happens to one upload, as it happens",
        tags: ["events"],
        params: UploadParams,
        headers: EventHeaders,
        querystring: EventQuery,
        response: answers({ 200: Events }, 404),
      },
    },
    async (request, reply) => {
      const { types = null, last_event_id } = request.query;
      const { id } = await service.get(request.params.upload_id);
      return answer(request, reply, { uploadId: id, types }, last_event_id);
    },
  );
}

/**
 * When the stream ends at the latest: with the credential. Nobody tells us when the host logs somebody out; so whom it vouches for comes
 * back now and then, which clients do by themselves, and the host is asked again.
 */
function endOf(context: HttpContext, request: FastifyRequest): number | null {
  const expiresAt = request.principal?.expiresAt ?? null;
  if (accessOf(context).authentication?.credentialOf(request) !== "host") return expiresAt;
  return Math.min(expiresAt ?? Number.POSITIVE_INFINITY, Date.now() + HOST_TRUST_MS);
}

/** Whether who opened a stream with a session has not logged out since. */
function admission(context: HttpContext, request: FastifyRequest): () => boolean {
  const { authentication } = accessOf(context);
  if (authentication?.credentialOf(request) !== "session") return () => true;
  const id = authentication.sessionIdOf(request);
  return id === null ? () => false : authentication.sessions.watch(id);
}

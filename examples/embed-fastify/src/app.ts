import { createHash, timingSafeEqual } from "node:crypto";
import type { UploadService } from "@bucketline/core";
import { bucketline, type HostPrincipal } from "@bucketline/http";
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from "fastify";

/** Somebody whom the host knows, and what this person may do with uploads. */
export interface Person extends HostPrincipal {
  readonly password: string;
}

export interface AppOptions {
  readonly service: UploadService;
  readonly people: readonly Person[];
}

const PREFIX = "/uploads-admin";

/** A host with two routes of its own, and uploads, API and dashboard, below a prefix, for people whom the host knows. */
export async function buildApp({ service, people }: AppOptions): Promise<FastifyInstance> {
  const app = fastify();
  app.get("/", async () => ({ shop: "open" }));
  app.get("/orders", async (request, reply) => {
    const person = whoIs(people, request);
    return person ? { orders: [], of: person.name } : askWho(reply);
  });

  // Ready comes after every plugin and before the first request; close comes after the last one.
  app.addHook("onReady", async () => await service.start());
  app.addHook("onClose", async () => await service.stop());
  // In a scope of its own, so that its hook does not concern the host's routes.
  await app.register(async (scope) => {
    scope.addHook("onRequest", async (request, reply) => (whoIs(people, request) ? undefined : askWho(reply)));
    const auth = { authenticate: (request: FastifyRequest) => whoIs(people, request) };
    await scope.register(bucketline, { prefix: PREFIX, service, auth });
  });
  return app;
}

/** The host's own log-in; put yours here, whatever it is. */
function whoIs(people: readonly Person[], { headers }: FastifyRequest): Person | undefined {
  const [, encoded = ""] = /^Basic (\S+)$/i.exec(headers.authorization ?? "") ?? [];
  const given = digest(Buffer.from(encoded, "base64").toString());
  return people.find(({ name, password }) => timingSafeEqual(digest(`${name}:${password}`), given));
}

function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}

function askWho(reply: FastifyReply): FastifyReply {
  return reply.code(401).header("www-authenticate", 'Basic realm="shop"').send({ error: "Who are you?" });
}

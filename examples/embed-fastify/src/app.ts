import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import type { UploadService } from "@bucketline/core";
import { bucketline, hashToken, type Scope } from "@bucketline/http";
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from "fastify";

/** Somebody whom the host knows. */
export interface Person {
  readonly name: string;
  readonly password: string;
  /** What this person may do with uploads. */
  readonly scope: Scope;
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
  await app.register((scope) => mountUploads(scope, { service, people }));
  return app;
}

/** In a scope of its own, so that its hook does not concern the host's routes. */
async function mountUploads(scope: FastifyInstance, { service, people }: AppOptions): Promise<void> {
  // Nobody but this process ever sees these: the host vouches with them for whom it has recognised.
  const passes = { read: randomBytes(32).toString("hex"), admin: randomBytes(32).toString("hex") };
  scope.addHook("onRequest", async (request, reply) => {
    const person = whoIs(people, request);
    if (!person) return askWho(reply);
    if (comesFromElsewhere(request)) return reply.code(403).send({ error: "A page of another site may not do this." });
    vouch(request, passes[person.scope]);
  });
  const tokens = [
    { name: "reader", sha256: hashToken(passes.read), scopes: ["read"] as const },
    { name: "operator", sha256: hashToken(passes.admin), scopes: ["admin"] as const },
  ];
  await scope.register(bucketline, { prefix: PREFIX, service, auth: { tokens } });
}

/** The plugin reads the header as it came over the wire, where a proxy in front would have put the token, too. */
function vouch({ raw: { rawHeaders } }: FastifyRequest, pass: string): void {
  const at = rawHeaders.findIndex((name, index) => index % 2 === 0 && name.toLowerCase() === "authorization");
  rawHeaders.splice(at < 0 ? rawHeaders.length : at, 2, "authorization", `Bearer ${pass}`);
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

/**
 * Browsers send the password along with whatever any page asks for, and the plugin sees a token, which no browser sends by
 * itself. So it is up to the host to look where a request that changes something comes from.
 */
function comesFromElsewhere({ method, headers, host }: FastifyRequest): boolean {
  if (method === "GET" || method === "HEAD") return false;
  const { origin, "sec-fetch-site": site } = headers;
  if (site !== undefined) return site !== "same-origin" && site !== "none";
  return origin !== undefined && origin !== `https://${host}` && origin !== `http://${host}`;
}

function askWho(reply: FastifyReply): FastifyReply {
  return reply.code(401).header("www-authenticate", 'Basic realm="shop"').send({ error: "Who are you?" });
}

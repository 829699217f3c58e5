import { type Static, Type } from "typebox";
import { accessOf, forbidden, unauthorized } from "../access/control.ts";
import { checkOrigin } from "../access/origins.ts";
import { type Principal, SCOPES } from "../access/scopes.ts";
import type { App, HttpContext } from "../context.ts";
import { answers } from "../schemas/answers.ts";
import { Nullable, Time } from "../schemas/common.ts";

const SessionView = Type.Object(
  {
    name: Nullable(
      Type.String({ description: "Of the token, subject of the JWT, or as the host says; null without auth." }),
    ),
    scopes: Type.Array(Type.Union([Type.Literal("read"), Type.Literal("admin")])),
    expires_at: Nullable(Time),
    auth: Type.Boolean({ description: "False where nobody need say who they are." }),
    session: Type.Boolean({ description: "Whether the caller is known by a session, which can be logged out of." }),
  },
  { $id: "Session" },
);

const LogIn = Type.Object(
  { token: Type.String({ minLength: 1, maxLength: 16_384, description: "A token, or a JWT." }) },
  { $id: "LogIn", additionalProperties: false },
);

/** Of a service without auth. */
const EVERYBODY: Static<typeof SessionView> = {
  name: null,
  scopes: [...SCOPES],
  expires_at: null,
  auth: false,
  session: false,
};

/** Logs browsers in and out. */
export async function sessionRoutes(app: App, context: HttpContext): Promise<void> {
  const { authentication, limits } = accessOf(context);

  app.post(
    "/session",
    {
      config: { scope: "open" },
      schema: {
        operationId: "logIn",
        summary: "Log a browser in",
        description: "Sets a cookie that stands for the credential on this host until it expires.",
        tags: ["session"],
        security: [],
        body: LogIn,
        response: answers({ 200: SessionView }, 401, 403, 415, 429, 503),
      },
    },
    async (request, reply) => {
      if (!authentication) return EVERYBODY;
      checkOrigin(request, { proven: false });
      await limits.checkFailures(request);
      const found = await authentication.check(request.body.token);
      if (typeof found === "string") {
        await limits.countFailure(request);
        throw unauthorized(found);
      }
      if (found.scopes.length === 0) throw forbidden("read");
      const before = authentication.sessionIdOf(request);
      if (before !== null) authentication.sessions.close(before);
      const { id, expiresAt } = authentication.sessions.open(found);
      const attributes = { ...attributesOf(request.protocol), expires: new Date(expiresAt) };
      reply.setCookie(authentication.cookieOf(request), id, attributes);
      return viewOf({ ...found, expiresAt }, true);
    },
  );

  app.get(
    "/session",
    {
      config: { scope: "read" },
      schema: {
        operationId: "getSession",
        summary: "Who calls",
        tags: ["session"],
        response: answers({ 200: SessionView }),
      },
    },
    async (request) =>
      request.principal ? viewOf(request.principal, authentication?.credentialOf(request) === "session") : EVERYBODY,
  );

  app.delete(
    "/session",
    {
      config: { scope: "read" },
      schema: {
        operationId: "logOut",
        summary: "Log a browser out",
        tags: ["session"],
        response: answers({ 204: Type.Null() }),
      },
    },
    async (request, reply) => {
      if (authentication) {
        const id = authentication.sessionIdOf(request);
        if (id !== null) authentication.sessions.close(id);
        reply.clearCookie(authentication.cookieOf(request), attributesOf(request.protocol));
      }
      return reply.code(204).send(null);
    },
  );
}

function attributesOf(protocol: string) {
  return {
    path: "/",
    httpOnly: true,
    sameSite: "strict" as const,
    secure: protocol === "https",
    signed: false,
  };
}

function viewOf({ name, scopes, expiresAt }: Principal, session: boolean): Static<typeof SessionView> {
  const expires_at = expiresAt === null ? null : new Date(expiresAt).toISOString();
  return { name, scopes: [...scopes], expires_at, auth: true, session };
}

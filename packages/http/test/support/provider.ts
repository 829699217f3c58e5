import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { exportJWK, generateKeyPair, type JWTPayload, SignJWT } from "jose";

export const AUDIENCE = "bucketline";

type Pair = Awaited<ReturnType<typeof generateKeyPair>>;

interface Signing {
  /** Empty: the token names no key. */
  readonly kid?: string;
  readonly alg?: string;
  /** The key that is really used. Default: the one that is named. */
  readonly signer?: string;
}

/** An OpenID provider on this machine. What it answers with may be changed while it runs. */
export class Provider {
  readonly issuer: string;
  /** Paths that were asked for. */
  readonly requests: string[] = [];
  /** Instead of an answer. */
  trouble: "none" | "status" | "garbage" | "silence" | "huge" | "redirect" = "none";
  /** Merged into the discovery document. */
  discovery: Record<string, unknown> = {};
  keys: Record<string, unknown>[] = [];
  readonly #server: Server;
  readonly #pairs = new Map<string, Pair>();

  private constructor(server: Server) {
    this.#server = server;
    this.issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  static async open(): Promise<Provider> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const provider = new Provider(server);
    server.on("request", (request, response) => {
      provider.requests.push(request.url ?? "");
      if (provider.trouble === "silence") return;
      if (provider.trouble === "status") response.writeHead(500);
      if (provider.trouble === "redirect") response.writeHead(302, { location: `${provider.issuer}/keys` });
      if (provider.trouble === "garbage") return void response.end("<html>");
      const isKeys = request.url === "/keys";
      const { issuer, discovery, keys } = provider;
      const padding = provider.trouble === "huge" ? "x".repeat(2 << 20) : "";
      const document = isKeys ? { keys } : { issuer, jwks_uri: `${issuer}/keys`, ...discovery };
      response.end(JSON.stringify({ ...document, padding }));
    });
    await provider.addKey("first");
    return provider;
  }

  async addKey(kid: string | undefined, alg = "ES256"): Promise<void> {
    const pair = await generateKeyPair(alg, { extractable: true });
    this.#pairs.set(kid ?? "", pair);
    this.keys.push({ ...(await exportJWK(pair.publicKey)), alg, ...(kid === undefined ? {} : { kid }) });
  }

  /** A good token for an hour, but for what is changed. Claims and headers that are undefined are left out. */
  async token(claims: Record<string, unknown> = {}, signing: Signing = {}): Promise<string> {
    const { kid = "first", alg = "ES256", signer = kid } = signing;
    const now = Math.floor(Date.now() / 1000);
    const payload: JWTPayload = {
      iss: this.issuer,
      aud: AUDIENCE,
      sub: "somebody",
      exp: now + 3600,
      scope: "openid bucketline:read",
      ...claims,
    };
    const pair = this.#pairs.get(signer)!;
    return await new SignJWT(payload).setProtectedHeader({ alg, ...(kid === "" ? {} : { kid }) }).sign(pair.privateKey);
  }

  async publicKey(kid: string): Promise<string> {
    return JSON.stringify(await exportJWK(this.#pairs.get(kid)!.publicKey));
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

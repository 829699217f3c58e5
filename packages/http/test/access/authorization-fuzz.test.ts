import { connect } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Bed } from "../support/bed.ts";
import { ADMIN, AUTH } from "../support/credentials.ts";
import { AUDIENCE, Provider } from "../support/provider.ts";

let bed: Bed;
let provider: Provider;
beforeAll(async () => {
  provider = await Provider.open();
  bed = await Bed.open({ server: { auth: { ...AUTH, jwt: { issuer: provider.issuer, audience: AUDIENCE } } } });
});
afterAll(async () => {
  await bed.close();
  await provider.close();
});

/** Numerical Recipes' generator: the same texts on each run. */
function generator(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

const PIECES = [
  "Bearer",
  "bearer",
  "BEARER",
  "Basic",
  "Digest",
  "Negotiate",
  " ",
  "  ",
  "\t",
  ",",
  ";",
  "=",
  '"',
  "\\",
  ".",
  "..",
  "e30",
  "eyJhbGciOiJub25lIn0",
  "eyJhbGciOiJIUzI1NiJ9",
  "%00",
  "%0d%0a",
  "null",
  "undefined",
  "[object Object]",
  "__proto__",
  "constructor",
  "\u00ff",
  "\u0080",
  "é",
  "A".repeat(300),
  "-",
  "_",
  "/",
  "+",
  "~",
  ADMIN.slice(0, -1),
  `${ADMIN}x`,
  ADMIN.toUpperCase(),
  "*",
  "' OR 1=1 --",
  "{{7*7}}",
  "<script>",
];

test("whatever Authorization says, only the very token is let in, and nothing fails", async () => {
  const random = generator(6);
  const statuses = new Map<number, number>();
  for (let round = 0; round < 3000; round += 1) {
    const pieces = Array.from({ length: 1 + random(7) }, () => PIECES[random(PIECES.length)]!);
    const authorization = random(3) === 0 ? `Bearer ${pieces.join("")}` : pieces.join("");
    const remoteAddress = `10.${round >> 16}.${(round >> 8) & 255}.${round & 255}`;
    const headers = { host: "x.example", authorization };
    const { statusCode, body } = await bed.server.app.inject({ url: "/uploads", headers, remoteAddress });
    expect([authorization, statusCode]).toEqual([authorization, 401]);
    expect(body).not.toContain(ADMIN.slice(0, -1));
    statuses.set(statusCode, (statuses.get(statusCode) ?? 0) + 1);
  }
  expect(statuses).toEqual(new Map([[401, 3000]]));
  // None of it made us ask the provider: not one had a header that a key could be looked for by.
  expect(provider.requests).toEqual([]);
});

test("changed JWTs are refused, wherever they are changed", async () => {
  const random = generator(7);
  const token = await provider.token({ scope: "bucketline:admin" });
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=";
  for (let round = 0; round < 600; round += 1) {
    // The last character of the signature has bits that are not part of it.
    const at = random(token.length - 1);
    const other = alphabet[random(alphabet.length)]!;
    const changed = token.slice(0, at) + (other === token[at] ? "" : other) + token.slice(at + 1);
    const headers = { host: "x.example", authorization: `Bearer ${changed}` };
    const remoteAddress = `10.1.${round >> 8}.${round & 255}`;
    const { statusCode } = await bed.server.app.inject({ url: "/uploads", headers, remoteAddress });
    expect([changed, statusCode]).toEqual([changed, 401]);
  }
  expect((await bed.call("/uploads", { token })).status).toBe(200);
});

test("two Authorization headers are none, even if both are good; case and spaces of Bearer do not matter", async () => {
  const { hostname, port, host } = new URL(bed.url);
  const statusOf = async (...lines: string[]) =>
    await new Promise<string | undefined>((resolve, reject) => {
      let answer = "";
      const socket = connect(Number(port), hostname);
      socket.on("data", (chunk) => (answer += chunk));
      socket.on("error", reject).on("close", () => resolve(/^HTTP\/1\.1 (\d+)/.exec(answer)?.[1]));
      socket.end(["GET /uploads HTTP/1.1", `Host: ${host}`, "Connection: close", ...lines, "", ""].join("\r\n"));
    });
  const good = `Authorization: Bearer ${ADMIN}`;
  expect(await statusOf(good)).toBe("200");
  expect(await statusOf(`authorization:bearer    ${ADMIN}`)).toBe("200");
  expect(await statusOf(good, good)).toBe("401");
  expect(await statusOf(good, "Authorization: Bearer other")).toBe("401");
  expect(await statusOf("Authorization: Basic eDp5", good)).toBe("401");
  expect(await statusOf(`Authorization: Bearer ${ADMIN} ${ADMIN}`)).toBe("401");
  expect(await statusOf(`X-Authorization: Bearer ${ADMIN}`)).toBe("401");
});

test("credentials in the address or in a body are not looked at", async () => {
  for (const query of ["access_token", "token", "authorization"])
    expect((await bed.call(`/uploads?${query}=${ADMIN}`)).status).toBe(401);
  expect((await bed.call("/uploads", { body: { token: ADMIN } })).status).toBe(401);
});

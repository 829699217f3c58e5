import { afterEach, expect, test } from "vitest";
import { Bed } from "../../test/support/bed.ts";
import { AUTH, READER } from "../../test/support/credentials.ts";
import { hosted } from "../../test/support/host.ts";

let bed: Bed;
afterEach(() => bed?.close());

const BROWSER = { accept: "text/html,application/xhtml+xml,*/*;q=0.8" };

async function assetsOf(path = "/"): Promise<string[]> {
  const { text } = await bed.call(path, { headers: BROWSER });
  return [...text.matchAll(/(?:src|href)="(\.\/assets\/[^"]+)"/g)].map(([, address]) => address!);
}

test("/ is the dashboard for browsers, and links for programs", async () => {
  bed = await Bed.open();
  const page = await bed.call("/", { headers: BROWSER });
  expect(page.headers.get("content-type")).toMatch(/^text\/html/);
  expect(page.headers.get("cache-control")).toBe("no-cache");
  expect(page.headers.get("vary")).toMatch(/accept/i);
  expect(page.headers.get("content-security-policy")).toMatch(/script-src 'self'; style-src 'self';/);
  expect(page.text).not.toMatch(/<style|style=|<script>|javascript:|https?:/);
  const links = await bed.call<{ links: Record<string, string> }>("/");
  for (const address of [links.body.links.uploads!, links.body.links.health!])
    expect((await bed.call(address)).status, address).toBe(200);
});

test("assets are kept for ever, as their names change with their content", async () => {
  bed = await Bed.open();
  const assets = await assetsOf();
  expect(assets.map((name) => name.replace(/-[\w-]{8}\./, ".")).sort()).toEqual([
    "./assets/icon.svg",
    "./assets/index.css",
    "./assets/index.js",
  ]);
  for (const asset of assets) {
    const { status, headers } = await bed.call(asset);
    expect(status, asset).toBe(200);
    expect(headers.get("cache-control")).toMatch(/private.*immutable/);
  }
  expect((await bed.call("/assets/none.js")).status).toBe(404);
  expect((await bed.call("/assets/..%2findex.html")).status).not.toBe(200);
});

test("the script stays small", async () => {
  bed = await Bed.open();
  const script = (await assetsOf()).find((name) => name.endsWith(".js"))!;
  const { headers } = await fetch(new URL(script, bed.url), { method: "HEAD", headers: { "accept-encoding": "gzip" } });
  expect(headers.get("content-encoding")).toBe("gzip");
  expect(Number(headers.get("content-length"))).toBeLessThan(60 * 1024);
});

test("it holds under a prefix, with and without a slash at its end", async () => {
  bed = await Bed.open();
  const host = await hosted({ prefix: "/files/up", service: bed.service });
  try {
    const bare = await host.inject({ url: "/files/up?x=1", headers: BROWSER });
    expect([bare.statusCode, bare.headers.location]).toEqual([302, "up/"]);
    const page = await host.inject({ url: "/files/up/", headers: BROWSER });
    const script = /src="\.\/(assets\/[^"]+)"/.exec(page.body)?.[1];
    expect((await host.inject(`/files/up/${script}`)).statusCode).toBe(200);
    const links = (await host.inject("/files/up/")).json<{ links: Record<string, string> }>();
    expect((await host.inject(links.links.uploads!)).statusCode).toBe(200);
  } finally {
    await host.close();
  }
});

test("with auth, nothing of it is to be had without a credential", async () => {
  bed = await Bed.open({ server: { auth: AUTH } });
  const page = await bed.call("/", { headers: BROWSER });
  expect(page.status).toBe(401);
  expect(page.text).not.toMatch(/assets\//);
  const own = await bed.call("/", { headers: BROWSER, token: READER });
  const script = /src="\.\/(assets\/[^"]+)"/.exec(own.text)![1]!;
  expect((await bed.call(`/${script}`)).status).toBe(401);
  expect((await bed.call(`/${script}`, { token: READER })).status).toBe(200);
});

test("a service can do without", async () => {
  bed = await Bed.open({ server: { dashboard: false } });
  const { headers, body } = await bed.call("/", { headers: BROWSER });
  expect(headers.get("content-type")).toMatch(/json/);
  expect(body).toMatchObject({ service: "bucketline" });
});

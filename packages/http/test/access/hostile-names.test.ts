import { symlink, unlink } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { Bed, BUCKET } from "../support/bed.ts";
import { recordedLog } from "../support/log.ts";

let bed: Bed;
afterEach(async () => await bed.close());

/** Each could do harm where it is shown, sent or written without care. */
const NAMES = [
  "<img src=x onerror=alert(1)>.txt",
  "<script>alert(1)<!--.txt",
  "\"onmouseover='alert(1)'.txt",
  "line\nevent: evil\ndata: {}\n\n.txt",
  "cr\r\nSet-Cookie: evil=1\r\n\r\n.txt",
  "bidi\u202egnp.exe",
  "mark\u200f\u2066.txt",
  "separator\u2028\u2029.txt",
  "escape\u001b[31m\u001b]0;title\u0007.txt",
  "null\\u0000.txt",
  "%2e%2e%2f%00.txt",
  "{{7*7}}#{7*7}.txt",
  "__proto__",
  "constructor",
  "'; DROP TABLE files; --.txt",
  "=cmd|' C calc'!A0.csv",
  "\u0001\u007f\u0085\u009b.txt",
  "a\u0300\u0489".repeat(20),
];
/** What has no place in a line of text: JSON must have escaped it. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const CONTROL = /[\u0000-\u0009\u000b-\u001f]/;

/** All of a stream of events until it has this one. */
async function streamUntil(path: string, event: string): Promise<string> {
  const stop = new AbortController();
  const response = await fetch(new URL(path, bed.url), { signal: stop.signal });
  let text = "";
  for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    if (text.includes(`event: ${event}\n`)) break;
  }
  stop.abort();
  return text;
}

async function hostileUpload(): Promise<void> {
  for (const name of NAMES) await bed.write(`in/${name}`, name);
  for (const [at, name] of NAMES.entries()) await symlink("/", join(bed.root, `in/link ${at} ${name}`));
}

test("hostile names of files are exact in JSON, and nothing but text in headers, events and logs", async () => {
  const { logger, lines } = recordedLog();
  bed = await Bed.open({ service: { logger }, server: { logger } });
  await hostileUpload();
  const streamed = streamUntil("/events", "upload:completed");
  expect((await bed.create("in", { upload_id: "hostile" })).status).toBe(201);
  const events = await streamed;

  const { text, headers, body } = await bed.call<{ files: { path: string; file_id: string; state: string }[] }>(
    "/uploads/hostile/files?limit=1000",
  );
  const uploaded = body.files.filter(({ state }) => state === "UPLOADED");
  expect(uploaded.map(({ path }) => path).sort()).toEqual([...NAMES].sort());
  expect(headers.get("content-type")).toMatch(/^application\/json/);
  expect(headers.get("x-content-type-options")).toBe("nosniff");
  expect(text).not.toMatch(CONTROL);
  for (const { path, file_id } of body.files) {
    expect(file_id).toMatch(/^[A-Za-z0-9_-]+$/);
    const file = await bed.call(`/uploads/hostile/files/${file_id}`);
    expect(file).toMatchObject({ status: 200, body: { path } });
    for (const [, value] of file.headers) expect(value).toMatch(/^[\x20-\x7e]*$/);
    expect(file.headers.get("set-cookie")).toBeNull();
    expect((await bed.call(`/uploads/hostile/files/${file_id}/timeline`)).status).toBe(200);
  }

  expect(events).not.toMatch(CONTROL);
  for (const line of events.split("\n"))
    expect(line).toMatch(/^$|^:|^retry: \d+$|^id: [\w.:-]+$|^event: [\w:]+$|^data: \{.*\}$/su);
  expect(events.split("\n")).not.toContain("event: evil");
  const data = events.split("\n").filter((line) => line.startsWith("data: "));
  const told = data.map((line) => JSON.parse(line.slice("data: ".length)) as { path?: string });
  for (const name of NAMES) expect(told.map(({ path }) => path)).toContain(name);

  expect(lines().length).toBeGreaterThan(10);
  for (const line of lines()) {
    expect(line).not.toMatch(CONTROL);
    expect(JSON.parse(line)).toMatchObject({ level: expect.any(Number) });
  }
});

test("hostile text in requests is refused or comes back as nothing but text", async () => {
  const { logger, lines } = recordedLog();
  bed = await Bed.open({ server: { logger } });
  await bed.write("in/a.txt");
  for (const name of NAMES) {
    const answers = [
      await bed.create("in", { upload_id: name }),
      await bed.create(name),
      await bed.create("in", { pattern: `${name}[` }),
      await bed.create("in", { key_template: `{${name}}` }),
      await bed.create("in", { [name]: name }),
      await bed.call("/uploads", { body: { source_folder: bed.root, destination_bucket: name } }),
      await bed.call(`/uploads/${encodeURIComponent(name)}`),
      await bed.call(`/uploads/x/files/${encodeURIComponent(name)}`),
      await bed.call(`/uploads/x/files?search=${encodeURIComponent(name)}`),
      await bed.call(`/uploads?state=${encodeURIComponent(name)}`),
      await bed.call(`/uploads?cursor=${encodeURIComponent(name)}`),
      await bed.call(`/${encodeURIComponent(name)}`),
      await bed.call("/uploads", { body: JSON.stringify(name) }),
      await bed.call("/uploads", { body: `{"${name}` }),
    ];
    for (const { status, text, headers } of answers) {
      expect([name, status, text]).toEqual([name, expect.not.toBeOneOf([500]), text]);
      expect(headers.get("content-type")).toMatch(/^application\/(problem\+)?json/);
      expect(text).not.toMatch(CONTROL);
      for (const [, value] of headers) expect(value).toMatch(/^[\x20-\x7e]*$/);
      expect(headers.get("set-cookie")).toBeNull();
    }
  }
  for (const line of lines()) {
    expect(line).not.toMatch(CONTROL);
    expect(() => JSON.parse(line)).not.toThrow();
  }
});

test("ids that name something else in paths or objects are ids like others", async () => {
  bed = await Bed.open();
  await bed.write("in/a.txt");
  for (const id of ["__proto__", "constructor", "toString", "plan.x", "-", "_", "x".repeat(128)]) {
    expect((await bed.create("in", { upload_id: id })).status).toBe(201);
    await bed.service.finished(id);
    expect((await bed.call(`/uploads/${id}`)).body).toMatchObject({ upload_id: id, state: "COMPLETED" });
    expect((await bed.call<{ files: unknown[] }>(`/uploads/${id}/files`)).body.files).toHaveLength(1);
  }
  expect([...bed.buckets.get(BUCKET)!.objects.keys()]).toContain("__proto__/a.txt");
  await unlink(join(bed.root, "in/a.txt"));
});

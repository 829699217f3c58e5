import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { arbitrary, Dice } from "./support/arbitrary.ts";
import { Bed, BUCKET, type CallOptions } from "./support/bed.ts";
import { Document, type Route, undocumented } from "./support/document.ts";

const ROUNDS = 60;
const IDS = ["known", "paused", "cancelled", "unknown", "%00", "%F0%9F%98%80", "a".repeat(128), "a".repeat(200)];
const FILE_IDS = ["YQ", "Yg", "a".repeat(4000), "%ff"];

let bed: Bed;
let document: Document;
beforeAll(async () => {
  bed = await Bed.open();
  await bed.write("folder/a");
  await bed.write("folder/b");
  for (const id of ["known", "paused", "cancelled"]) await bed.create("folder", { upload_id: id });
  await bed.call("/uploads/paused/pause", { method: "POST" });
  await bed.call("/uploads/cancelled", { method: "DELETE" });
  document = await Document.of(bed);
});
afterAll(() => bed.close());

function pathOf({ path, operation }: Route, dice: Dice, wildness: number): string {
  const filled = path
    .replace("{upload_id}", () => (dice.chance(0.6) ? "known" : dice.pick(IDS)))
    .replace("{file_id}", () => dice.pick(FILE_IDS))
    .replace(/\{[^}]+\}/g, () => dice.pick(IDS));
  const query = new URLSearchParams();
  for (const parameter of operation.parameters ?? [])
    if (parameter.in === "query" && dice.chance(0.4))
      for (const value of [arbitrary(parameter.schema, dice, wildness)].flat())
        query.append(parameter.name, typeof value === "string" ? value : JSON.stringify(value));
  if (dice.chance(wildness)) query.append("unknown", "1");
  return `${filled}?${query}`;
}

function optionsOf({ method, operation }: Route, dice: Dice, wildness: number): CallOptions {
  const headers: Record<string, string> = {};
  for (const parameter of operation.parameters ?? [])
    if (parameter.in === "header" && dice.chance(0.3))
      headers[parameter.name] = dice.pick(['"1"', "*", "W/", "key", "x".repeat(300)]);
  const media = operation.requestBody?.content["application/json"];
  if (!media) return { method, headers };
  if (dice.chance(0.05))
    return { method, headers, body: dice.pick(["", "{", '"', "[".repeat(30_000), "nul", '{"a":1,"a":2}', "1e999"]) };
  const body = arbitrary(media.schema as never, dice, wildness) as Record<string, unknown> | null;
  if (typeof body === "object" && body && "source_folder" in body && !dice.chance(wildness))
    Object.assign(body, { source_folder: `${bed.root}/folder`, destination_bucket: BUCKET });
  return { method, headers, body };
}

/** Streams do not end, and logging in is limited. */
const isFuzzed = ({ operation }: Route) =>
  !operation.responses["200"]?.content?.["text/event-stream"] && !operation.tags?.includes("session");

describe("whatever a route is sent, it answers as documented, and never fails", () => {
  test("there is something to send", () => {
    expect(document.routes.filter(isFuzzed).length).toBeGreaterThan(15);
  });

  test.each([
    ["nearly valid", 0.02],
    ["half valid", 0.15],
    ["wild", 0.5],
  ])("%s", async (_name, wildness) => {
    const statuses = new Set<number>();
    const strange: string[] = [];
    for (const [index, route] of document.routes.filter(isFuzzed).entries()) {
      const dice = new Dice(index * 1000 + wildness * 100);
      for (let round = 0; round < ROUNDS; round++) {
        const path = pathOf(route, dice, wildness);
        const options = optionsOf(route, dice, wildness);
        const answer = await bed.call(path, options);
        statuses.add(answer.status);
        // Ids that no path can carry lead to other routes.
        if ([404, 405].includes(answer.status) && answer.body.code !== undefined) continue;
        const found = undocumented(route, answer);
        if (answer.status === 500) found.push("fails");
        for (const what of found) strange.push(`${what} for ${path} ${JSON.stringify(options)}`.slice(0, 1000));
      }
    }
    expect(strange.slice(0, 5)).toEqual([]);
    expect([...statuses]).toEqual(expect.arrayContaining([200, 400, 404]));
  });
});

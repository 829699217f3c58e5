import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { FILE_STATES, FILE_TRANSITIONS, UPLOAD_STATES, UPLOAD_TRANSITIONS } from "../../packages/core/src/index.ts";

const images = fileURLToPath(new URL("../../docs/images", import.meta.url));
const read = (name) => readFileSync(join(images, name), "utf8");

/** "FROM → TO: action" of every action that changes a state. */
function moves(transitions) {
  return Object.entries(transitions)
    .flatMap(([action, { from, to }]) =>
      from.filter((state) => to !== null && to !== state).map((state) => `${state} → ${to}: ${action}`),
    )
    .sort();
}

/** The same of a picture: what its arrows are labelled with, between the states that they name. */
function drawn(svg) {
  const arrows = [...svg.matchAll(/<g class="edge" data-from="([^"]*)" data-to="([^"]*)">([\s\S]*?)<\/g>/g)];
  return arrows
    .flatMap(([, from, to, inner]) => {
      const actions = /<text [^>]*>([^<]*)<\/text>/.exec(inner)[1].split(", ");
      return from.split(" ").flatMap((state) => actions.map((action) => `${state} → ${to}: ${action}`));
    })
    .sort();
}

function statesIn(svg) {
  return [...svg.matchAll(/<g class="state">[\s\S]*?<text [^>]*>([^<]*)<\/text>/g)].map(([, state]) => state).sort();
}

test.each([
  ["file-states.svg", FILE_STATES, FILE_TRANSITIONS],
  ["upload-states.svg", UPLOAD_STATES, UPLOAD_TRANSITIONS],
])("%s draws every state, and every action that changes one, and no other", (name, states, transitions) => {
  const svg = read(name);
  expect(statesIn(svg)).toEqual([...states].sort());
  expect(drawn(svg)).toEqual(moves(transitions));
});

test("every picture of docs/concepts.md says what it shows to those who do not see it, and can be read on dark pages", () => {
  const page = readFileSync(join(images, "../concepts.md"), "utf8");
  const pictures = [...page.matchAll(/!\[[^\]]+\]\(images\/([^)]+\.svg)\)/g)].map(([, name]) => name);
  expect(pictures).toContain("file-states.svg");
  expect(pictures).toContain("upload-states.svg");
  for (const name of pictures) {
    const svg = read(name);
    expect(svg, name).toMatch(/<title[^>]*>\S[^<]+<\/title>/);
    expect(svg, name).toMatch(/<desc[^>]*>\S[^<]{20,}<\/desc>/);
    expect(svg, name).toContain("prefers-color-scheme: dark");
    expect(svg, name).not.toMatch(/(?:href|src)="https?:/);
  }
});

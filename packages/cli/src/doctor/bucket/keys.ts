import { printable } from "../../output/printable.ts";
import { type Check, type Discovery, ok, problem, warning } from "../finding.ts";
import { attempt } from "./refusal.ts";
import type { BucketSession } from "./session.ts";

/** What names of files have in them anywhere. */
const USUAL = ["keys/a space", "keys/a+b&c=d%20", "keys/Grüße 東京 \u{1f5fb}", "keys/e\u0301", "keys/#?;:@'()*!~"];
/** What few have, and some stores take for paths. */
const SELDOM = ["keys//two slashes", "keys/a/../b", "keys/./c", "keys/ends with slash/", "keys/dot."];

export const keyCheck: Check<BucketSession> = {
  name: "keys",
  async run(session) {
    const lost = await lostOf(session, USUAL);
    const odd = await lostOf(session, SELDOM);
    session.note("keys", lost.length === 0);
    session.note("odd_keys", odd.length === 0);
    return [
      ...report(lost, "problem"),
      ...report(odd, "warning"),
      ...(lost.length + odd.length === 0 ? [ok(ALL)] : []),
    ];
  },
};

const ALL = "Keys with spaces, plus signs, other alphabets, double slashes and dots are kept as they are.";

/** Each has a body of its own, so that two keys that become one are noticed. */
async function lostOf(session: BucketSession, names: readonly string[]): Promise<string[]> {
  const lost: string[] = [];
  for (const name of names) {
    const put = await attempt(session.put(name, Buffer.from(name)));
    const head = put.refusal ? put : await attempt(session.head(name));
    if (head.refusal || head.value.ContentLength !== Buffer.byteLength(name)) lost.push(name.slice("keys/".length));
  }
  return lost;
}

function report(names: readonly string[], level: "problem" | "warning"): Discovery[] {
  if (names.length === 0) return [];
  const shown = names.map((name) => printable(JSON.stringify(name))).join(", ");
  const message = `Objects cannot be kept under these keys: ${shown}.`;
  const remedy = "Leave files with such names out (--exclude), or use another store.";
  return [level === "problem" ? problem(message, remedy, { keys: names }) : warning(message, remedy, { keys: names })];
}

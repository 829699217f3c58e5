import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";

const MAIN = fileURLToPath(new URL("../src/main.ts", import.meta.url));

test("one of three hosts is killed, the others take over, and the bucket holds every file", async () => {
  const flags = ["--conditions=@bucketline/source", "--disable-warning=ExperimentalWarning"];
  const child = spawn(process.execPath, [...flags, MAIN]);
  onTestFinished(() => void child.kill("SIGKILL"));
  const texts = { output: "", errors: "" };
  child.stdout.setEncoding("utf8").on("data", (text: string) => (texts.output += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (texts.errors += text));
  const code = await new Promise((resolve) => child.once("close", resolve));
  expect({ code, errors: texts.errors }).toEqual({ code: 0, errors: "" });
  const { output } = texts;
  const [, lost = ""] = /^Host b is killed\. It has sent \d+ files; on their way were (.+)\.$/m.exec(output) ?? [];
  expect(lost.split(", ").length).toBeGreaterThan(1);
  for (const path of lost.split(", "))
    expect(output).toMatch(new RegExp(`^(Host [ac] took over ${path}|${path} had arrived just before)\\.$`, "m"));
  const sent = [...output.matchAll(/^Host ([abc]) sent (\d+) files\.$/gm)].map(([, name, count]) => [
    name,
    Number(count),
  ]);
  expect(sent.map(([name]) => name)).toEqual(["a", "b", "c"]);
  for (const [, count] of sent) expect(count).toBeGreaterThan(0);
  expect(output).toMatch(/The bucket holds all 210 files, exactly as they are in the folder\.\n$/);
}, 90_000);

import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const MAIN = fileURLToPath(new URL("../src/main.ts", import.meta.url));

interface Span {
  readonly trace: string;
  readonly id: string;
  readonly parent: string | undefined;
  readonly what: string;
}

function spansOf(output: string): Span[] {
  return [...output.matchAll(/^trace (\S+) {2}span (\S+)(?: in (\S+))? {2}(.*) {2}\d+ ms$/gm)].map(
    ([, trace = "", id = "", parent, what = ""]) => ({ trace, id, parent, what }),
  );
}

test("the spans of an upload lie in each other, requests have their own, and metrics say the same", async () => {
  const flags = ["--conditions=@bucketline/source", "--disable-warning=ExperimentalWarning"];
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [...flags, MAIN]);
  expect(stderr).toBe("");
  const spans = spansOf(stdout);
  const one = (what: string) => {
    const found = spans.filter((span) => span.what === what);
    expect(found, what).toHaveLength(1);
    return found[0];
  };
  const upload = one("bucketline.upload  completed");
  expect(upload?.parent).toBeUndefined();
  for (const name of ["1.jpg", "2.jpg", "3.jpg", "holiday.mov"])
    expect(one(`bucketline.file  uploaded ${name}`)).toMatchObject({ trace: upload?.trace, parent: upload?.id });
  const large = one("bucketline.file  uploaded holiday.mov");
  for (const part of [1, 2, 3])
    expect(one(`bucketline.part  ${part}`)).toMatchObject({ trace: upload?.trace, parent: large?.id });
  for (const request of ["GET /api/v1/uploads/:upload_id  200", "GET /metrics  200"])
    expect(one(request)?.trace).not.toBe(upload?.trace);

  const metrics = stdout.split("\n").filter((line) => line.startsWith("bucketline_"));
  expect(metrics).toContain("bucketline_ready 1");
  expect(metrics).toContain("bucketline_files_uploaded_total 4");
  expect(metrics).toContain(`bucketline_files_uploaded_bytes_total ${3 * 20_000 + 12 * 2 ** 20}`);
  expect(metrics).toContain('bucketline_files{state="uploaded"} 4');
  expect(metrics).toContain("bucketline_queue_files 0");
  expect(metrics).toContain(
    'bucketline_http_requests_total{method="GET",route="/api/v1/uploads/:upload_id",status="200"} 1',
  );
});

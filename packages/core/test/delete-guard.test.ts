import { expect, test } from "vitest";
import { guardDeletes } from "../src/delete-guard.ts";
import { upload } from "./support/records.ts";

const limits = { files: 20, share: 0.5 };

test.each([
  { due: 1, uploaded: 0, allowed: false, refused: false },
  { due: 9, uploaded: 0, allowed: false, refused: false },
  { due: 10, uploaded: 10, allowed: false, refused: false },
  { due: 10, uploaded: 9, allowed: false, refused: true },
  { due: 10, uploaded: 9, allowed: true, refused: false },
  { due: 20, uploaded: 1_000, allowed: false, refused: false },
  { due: 21, uploaded: 1_000, allowed: false, refused: true },
  { due: 21, uploaded: 1_000, allowed: true, refused: false },
])("$due due beside $uploaded, allowed $allowed: refused $refused", ({ due, uploaded, allowed, refused }) => {
  const { spec } = upload();
  const reason = guardDeletes({ due, uploaded }, { id: "u", spec: { ...spec, deleteLimit: limits } }, allowed);
  expect(reason?.code).toBe(refused ? "DELETE_REFUSED" : undefined);
  if (refused) expect(reason?.message).toContain(`${due} of ${due + uploaded} objects`);
});

test.each([
  [{ files: 0, share: 1 }, 1, true],
  [{ files: 100, share: 0 }, 9, false],
  [{ files: 100, share: 0 }, 10, true],
  [{ files: 100, share: 1 }, 100, false],
])("limits %o with %i due: refused %s", (deleteLimit, due, refused) => {
  const { spec } = upload();
  const reason = guardDeletes({ due, uploaded: 0 }, { id: "u", spec: { ...spec, deleteLimit } }, false);
  expect(reason !== null).toBe(refused);
});

test("the refusal names the limit and how it is lifted", () => {
  const { spec } = upload();
  const of = (due: number) =>
    guardDeletes({ due, uploaded: 5 }, { id: "u", spec: { ...spec, deleteLimit: limits } }, false);
  expect(of(30)?.message).toContain("more than 20 (deleteLimit.files)");
  expect(of(15)?.message).toContain("more than a share of 0.5 (deleteLimit.share)");
  expect(of(15)?.message).toContain('check("u", { allowDeletes: true })');
});

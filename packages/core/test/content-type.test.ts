import { expect, test } from "vitest";
import { contentType } from "../src/content-type.ts";

test.each([
  ["a/b.jpg", "image/jpeg"],
  ["A.JPG", "image/jpeg"],
  ["x.tar.gz", "application/gzip"],
  ["page.html", "text/html; charset=utf-8"],
  ["data.json", "application/json; charset=utf-8"],
  ["README", "application/octet-stream"],
  [".png", "application/octet-stream"],
  ["dir.png/file", "application/octet-stream"],
  ["a.unknown-extension", "application/octet-stream"],
  ["a.", "application/octet-stream"],
  ["a.constructor", "application/octet-stream"],
  ["a.__proto__", "application/octet-stream"],
  ["a.png\nx", "application/octet-stream"],
])("%j", (path, type) => {
  expect(contentType(path)).toBe(type);
});

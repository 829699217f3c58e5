import { execFileSync } from "node:child_process";
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { type Bed, openBed } from "./bed.ts";

const NOT_REGULAR = { state: "SKIPPED", reason: { code: "SOURCE_NOT_REGULAR" } };

async function listen(path: string): Promise<void> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(path, resolve));
  onTestFinished(() => void server.close());
}

describe("entries that are no files", () => {
  test("FIFOs, sockets and devices are skipped, never opened, and hold nobody up", async () => {
    const bed = await openBed();
    bed.write("file", "content");
    execFileSync("mkfifo", [bed.path("fifo")]);
    await listen(bed.path("socket"));
    const skipped = ["fifo", "socket"];
    // Only root may make a device. Without one, the FIFO and the socket still take the way that a device takes.
    if (process.getuid?.() === 0) {
      execFileSync("mknod", [bed.path("device"), "c", "1", "3"]);
      skipped.push("device");
    }
    const station = bed.service();
    await station.upload();
    for (const name of skipped) expect(await station.file(name)).toMatchObject(NOT_REGULAR);
    await station.expectWhole({ file: "content" });
  });

  test("a file that has become a FIFO when its turn comes", async () => {
    const bed = await openBed();
    bed.write("changed", "content");
    bed.write("file", "content");
    let changed = 0;
    const fault = bed.sandbox.fault({
      operation: "PutObject",
      key: "changed",
      times: 3,
      action: () => {
        if (changed++ === 0) {
          rmSync(bed.path("changed"));
          execFileSync("mkfifo", [bed.path("changed")]);
        }
        return { type: "respond", code: "InternalError" };
      },
    });
    const station = bed.service();
    await station.upload();
    expect(fault.fired).toBe(3);
    expect(await station.file("changed")).toMatchObject(NOT_REGULAR);
    await station.expectWhole({ file: "content" });
  });

  const links = (bed: Bed) => {
    bed.write("folder/file", "content");
    symlinkSync(".", bed.path("loop"));
    symlinkSync("..", bed.path("folder/up"));
    symlinkSync("b", bed.path("a"));
    symlinkSync("a", bed.path("b"));
    symlinkSync("nowhere", bed.path("dangling"));
    symlinkSync("folder/file", bed.path("link"));
    writeFileSync(join(bed.home, "secret"), "outside");
    symlinkSync("../secret", bed.path("outside"));
  };

  test("symbolic links, loops among them, are skipped", async () => {
    const bed = await openBed();
    links(bed);
    const station = bed.service();
    await station.upload();
    for (const name of ["loop", "folder/up", "a", "b", "dangling", "link", "outside"]) {
      expect(await station.file(name), name).toMatchObject(NOT_REGULAR);
    }
    await station.expectWhole({ "folder/file": "content" });
  });

  test("followed links: loops end, nothing from outside is read", async () => {
    const bed = await openBed();
    links(bed);
    const station = bed.service();
    await station.upload({ symlinks: "follow" });
    for (const name of ["a", "b", "dangling", "outside", "loop/", "folder/up/"]) {
      expect(await station.file(name), name).toMatchObject({ state: "SKIPPED" });
    }
    await station.expectWhole({ "folder/file": "content", link: "content" });
  });
});

describe("names", () => {
  const awkward = [
    "new\nline",
    "tab\tand \\ backslash",
    " leading and trailing ",
    "100% &<>\"'+?#",
    "caf\u00e9",
    "cafe\u0301",
    "\u{1f4be}",
    "\ufffd",
    "-rf",
    "~",
    "con",
    "a..b",
    "...",
  ];

  test("any valid name arrives under itself; NFC and NFD twins are two objects", async () => {
    const bed = await openBed();
    const files = Object.fromEntries(awkward.map((name, n) => [name, `content ${n}`]));
    for (const [name, content] of Object.entries(files)) bed.write(name, content);
    const station = bed.service();
    await station.upload({ dot: true });
    expect(station.uploaded.toSorted()).toEqual(awkward.toSorted());
    await station.expectWhole(files);
  });

  test("a name that is not UTF-8 is skipped with the reason, and a rescan changes nothing", async () => {
    const bed = await openBed();
    bed.write("file", "content");
    const bytes = (name: Buffer) => Buffer.concat([Buffer.from(`${bed.source}/`), name]);
    writeFileSync(bytes(Buffer.from([0x66, 0xff, 0x66])), "unreachable");
    mkdirSync(bytes(Buffer.from([0x64, 0xfe])));
    const station = bed.service();
    await station.upload({ mode: "watch" });
    const before = await station.files();
    const skipped = [...before.values()].filter(({ state }) => state === "SKIPPED");
    expect(skipped).toMatchObject([
      { reason: { code: "SOURCE_NAME_NOT_UTF8" } },
      { reason: { code: "SOURCE_NAME_NOT_UTF8" } },
    ]);
    await station.service.check("u");
    expect(await station.files()).toEqual(before);
    await station.expectWhole({ file: "content" });
  });

  test("a key of 1,024 bytes arrives, one of 1,025 is skipped with the reason", async () => {
    const bed = await openBed();
    const folder = Array.from({ length: 4 }, () => "d".repeat(250)).join("/");
    const longest = `${folder}/${"f".repeat(1_024 - folder.length - 1)}`;
    const wide = `${folder}/${"\u00e9".repeat(11)}`;
    bed.write(longest, "content");
    bed.write(`${longest}g`, "too long");
    bed.write(wide, "too long in bytes");
    const station = bed.service();
    await station.upload();
    expect(Buffer.byteLength(wide)).toBeGreaterThan(1_024);
    for (const path of [`${longest}g`, wide]) {
      expect(await station.file(path)).toMatchObject({ state: "SKIPPED", reason: { code: "KEY_TOO_LONG" } });
    }
    await station.expectWhole({ [longest]: "content" });
  });

  test("a file of zero bytes arrives as an object of zero bytes", async () => {
    const bed = await openBed();
    bed.write("empty", "");
    const station = bed.service();
    await station.upload();
    expect(bed.requests("PutObject")).toMatchObject([{ payloadBytes: 0, status: 200 }]);
    await station.expectWhole({ empty: "" });
  });
});

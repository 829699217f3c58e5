import { renameSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, test, vi } from "vitest";
import { aFile, fill, opened, testFolder } from "./folder.ts";

// Windows does not let go of a file that is open.
if (process.platform !== "win32") {
  const gone = { code: "STATE_CORRUPT", message: /removed while it was open; stop the service, restore it/ };

  test("a store whose file was removed refuses its next heartbeat, and everything after it", async () => {
    const path = join(testFolder(), "state", "uploads.db");
    const store = await opened(path);
    await fill(store, 1);
    await store.heartbeat("o", 1_000);
    rmSync(dirname(path), { recursive: true });
    await expect(store.heartbeat("o", 1_000)).rejects.toMatchObject(gone);
    await expect(store.commit([{ before: null, after: aFile("late") }])).rejects.toMatchObject(gone);
    await expect(store.getUpload("u")).rejects.toMatchObject(gone);
  });

  test("a store whose file was replaced refuses writes within a second, and leaves the new one alone", async () => {
    const clock = vi.spyOn(performance, "now").mockReturnValue(5_000);
    const folder = testFolder();
    const path = join(folder, "uploads.db");
    const first = await opened(path);
    await fill(first, 1);
    renameSync(path, join(folder, "elsewhere.db"));
    for (const log of [`${path}-wal`, `${path}-shm`]) rmSync(log);
    const second = await opened(path);
    await fill(second, 2);
    clock.mockReturnValue(6_000);
    const late = first.commit([{ before: null, after: aFile("late") }]);
    await expect(late).rejects.toMatchObject({ code: "STATE_CORRUPT", message: /was replaced while it was open/ });
    await first.close();
    expect((await second.counters("u")).PENDING.files).toBe(2);
    await second.close();
    await second.open();
    expect((await second.counters("u")).PENDING.files).toBe(2);
    clock.mockRestore();
  });
}

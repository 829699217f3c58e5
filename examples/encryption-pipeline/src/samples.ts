import { randomBytes } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";

/** The smallest picture there is: one transparent dot. */
const PICTURE = Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==",
  "base64",
);

export async function makeFolder(folder: string): Promise<void> {
  const accounts = Array.from({ length: 20_000 }, (_, n) => `${n},person${n}@mail.example,${n * 7}\n`);
  const files = {
    "accounts.csv": `id,address,balance\n${accounts.join("")}`,
    "letters/welcome.txt": "Dear Ada,\nwrite to help@shop.example whenever you like.\n",
    "logo.png": PICTURE,
    // Says that it is text, and is a program.
    "notes.txt": Buffer.concat([Buffer.from("MZ"), randomBytes(2_000)]),
  };
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), content);
  }
}

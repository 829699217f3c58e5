// Packs every publishable package as npm would and examines the tarball: its files, publint, attw. Needs `npm run build`
// before. Whether what is in it works is for pack-test.mjs.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pack, publishablePackages, root, run } from "./packed.mjs";

function runBin(name, args, cwd) {
  return run(process.execPath, [join(root, "node_modules", ".bin", name), ...args], cwd);
}

/** Files that a package must not ship, or must ship and does not. */
function contentProblems(files) {
  // Pages and their styles are served, compressed where that was worth it; scripts of others come with their licences.
  const allowed =
    /^(package\.json|README\.md|LICENSE|CHANGELOG\.md|dist\/.+\.(js|js\.map|d\.ts|html|css|svg|js\.(br|gz)|css\.(br|gz)|LICENSE\.txt|LICENSE\.md)|dist\/redoc\/.+\.txt)$/;
  const strange = files.filter((file) => !allowed.test(file)).map((file) => `ships ${file}`);
  const missing = ["LICENSE", "README.md"].filter((file) => !files.includes(file)).map((file) => `lacks ${file}`);
  return [...strange, ...missing];
}

function checkPackage(folder, scratch) {
  const packed = pack(folder, scratch);
  const problems = contentProblems(packed.files.map((file) => file.path));
  if (problems.length > 0) throw new Error(problems.join("\n"));
  runBin("publint", ["run", packed.tarball, "--strict"], root);
  runBin("attw", [packed.tarball, "--profile", "esm-only", "--no-emoji"], root);
  return packed;
}

function main() {
  const scratch = mkdtempSync(join(tmpdir(), "bucketline-pack-"));
  try {
    for (const { folder, manifest } of publishablePackages()) {
      try {
        const { files, size } = checkPackage(folder, scratch);
        process.stdout.write(`${manifest.name}: ${files.length} files, ${Math.round(size / 1024)} KiB packed, clean\n`);
      } catch (error) {
        process.stderr.write(`${manifest.name}: ${error.message}\n`);
        process.exitCode = 1;
      }
    }
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

main();

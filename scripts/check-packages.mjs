// Packs every publishable package as npm would and examines the result: its files, publint, attw, and whether each
// entry can be imported. Needs `npm run build` before.

import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));

function run(command, args, cwd) {
  try {
    return execFileSync(command, args, { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
  } catch (error) {
    throw new Error(`${command} ${args.join(" ")} failed\n${error.stdout}${error.stderr}`.trimEnd());
  }
}

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

function checkPackage(folder, manifest, scratch) {
  const [packed] = Object.values(JSON.parse(run("npm", ["pack", "--json", "--pack-destination", scratch], folder)));
  const tarball = join(scratch, packed.filename);
  const problems = contentProblems(packed.files.map((file) => file.path));
  if (problems.length > 0) throw new Error(problems.join("\n"));
  runBin("publint", ["run", tarball, "--strict"], root);
  runBin("attw", [tarball, "--profile", "esm-only", "--no-emoji"], root);
  for (const entry of Object.keys(manifest.exports).filter((key) => key !== "./package.json")) {
    const specifier = manifest.name + entry.slice(1);
    // Without our source condition this resolves to dist/, as it does for a user.
    run(process.execPath, ["--input-type=module", "--eval", `await import(${JSON.stringify(specifier)})`], folder);
  }
  return packed;
}

function main() {
  const scratch = mkdtempSync(join(tmpdir(), "bucketline-pack-"));
  try {
    for (const name of readdirSync(join(root, "packages")).sort()) {
      const folder = join(root, "packages", name);
      if (!existsSync(join(folder, "package.json"))) continue;
      const manifest = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
      if (manifest.private) continue;
      try {
        const { files, size } = checkPackage(folder, manifest, scratch);
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

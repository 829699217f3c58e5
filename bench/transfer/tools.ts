import { spawnSync } from "node:child_process";
import { readdirSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { type Client, CREDENTIALS } from "./job.ts";
import type { Command } from "./measure.ts";

/** curl is given every file in one go; it keeps its connections. */
export const curl: Client = {
  name: "curl",
  checks: false,
  looksAgain: false,
  version: () => firstMatch("curl", ["--version"], /^curl (\S+)/),
  command(job) {
    const list = join(job.scratch, "curl.conf");
    const entries = readdirSync(job.folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
    const target = `${job.endpoint}/${job.bucket}/${job.prefix}`;
    const lines = entries.map((entry) => {
      const path = join(entry.parentPath, entry.name);
      return `upload-file = "${path}"\nurl = "${target}/${relative(job.folder, path)}"\n`;
    });
    writeFileSync(list, lines.join(""));
    const trust = job.caFile === undefined ? [] : ["--cacert", job.caFile];
    const parallel = entries.length === 1 ? [] : ["-Z", "--parallel-max", String(job.concurrency)];
    return { program: "curl", args: ["-q", "-sS", "--fail", ...parallel, ...trust, "-K", list] };
  },
};

export const rclone: Client = {
  name: "rclone",
  checks: true,
  looksAgain: true,
  version: () => firstMatch("rclone", ["version"], /^rclone v(\S+)/),
  command(job) {
    const settings = {
      RCLONE_CONFIG: join(job.scratch, "rclone.conf"),
      RCLONE_S3_PROVIDER: "Other",
      RCLONE_S3_ENDPOINT: job.endpoint,
      RCLONE_S3_REGION: "us-east-1",
      RCLONE_S3_ACCESS_KEY_ID: CREDENTIALS.id,
      RCLONE_S3_SECRET_ACCESS_KEY: CREDENTIALS.secret,
      ...(job.caFile !== undefined && { RCLONE_CA_CERT: job.caFile }),
    };
    writeFileSync(settings.RCLONE_CONFIG, "");
    const target = `:s3:${job.bucket}/${job.prefix}`;
    return {
      program: "rclone",
      args: ["copy", "--transfers", String(job.concurrency), job.folder, target],
      env: settings,
    };
  },
};

/** With its own ten requests at once: it has no option for that, only a setting. */
export const aws: Client = {
  name: "aws-cli",
  checks: true,
  looksAgain: true,
  version: () => firstMatch("aws", ["--version"], /^aws-cli\/(\S+)/),
  command(job) {
    const env = {
      AWS_ACCESS_KEY_ID: CREDENTIALS.id,
      AWS_SECRET_ACCESS_KEY: CREDENTIALS.secret,
      AWS_DEFAULT_REGION: "us-east-1",
      AWS_EC2_METADATA_DISABLED: "true",
      AWS_CONFIG_FILE: join(job.scratch, "aws.conf"),
      ...(job.caFile !== undefined && { AWS_CA_BUNDLE: job.caFile }),
    };
    writeFileSync(env.AWS_CONFIG_FILE, `[default]\ns3 =\n  max_concurrent_requests = ${job.concurrency}\n`);
    const target = `s3://${job.bucket}/${job.prefix}/`;
    const work = job.again ? ["sync", job.folder, target] : ["cp", "--recursive", job.folder, target];
    return { program: "aws", args: ["s3", ...work, "--endpoint-url", job.endpoint, "--only-show-errors"], env };
  },
};

/** One file at a time: it knows no other way. */
export const s3cmd: Client = {
  name: "s3cmd",
  checks: true,
  looksAgain: true,
  version: () => firstMatch("s3cmd", ["--version"], /^s3cmd version (\S+)/),
  command(job) {
    const file = join(job.scratch, "s3cmd.conf");
    const { protocol, host } = new URL(job.endpoint);
    const settings = {
      access_key: CREDENTIALS.id,
      secret_key: CREDENTIALS.secret,
      host_base: host,
      host_bucket: host,
      use_https: protocol === "https:" ? "True" : "False",
      ...(job.caFile !== undefined && { ca_certs_file: job.caFile }),
    };
    const lines = Object.entries(settings).map(([name, value]) => `${name} = ${value}\n`);
    writeFileSync(file, `[default]\n${lines.join("")}`);
    const work = job.again ? ["sync"] : ["put", "--recursive"];
    const target = `s3://${job.bucket}/${job.prefix}/`;
    return { program: "s3cmd", args: ["-c", file, "-q", "--no-progress", ...work, `${job.folder}/`, target] };
  },
};

/** `find -printf`, which reads as much of every file's facts as a scan must. */
export function find(folder: string): Command {
  return { program: "find", args: [folder, "-printf", "%s %T@ %p\\n"] };
}

function firstMatch(program: string, args: readonly string[], pattern: RegExp): string | undefined {
  const { status, stdout } = spawnSync(program, args, { encoding: "utf8" });
  return status === 0 ? pattern.exec(stdout)?.[1] : undefined;
}

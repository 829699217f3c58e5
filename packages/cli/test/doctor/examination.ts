import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createS3Client } from "@bucketline/core/s3";
import { type Sandbox, type SandboxOptions, startSandbox } from "@bucketline/s3-sandbox";
import { onTestFinished } from "vitest";
import { connectionOf } from "../../src/assembly/objects.ts";
import type { Config, Environment } from "../../src/config/config.ts";
import { loadConfig } from "../../src/config/load.ts";
import { examineBucket } from "../../src/doctor/bucket/checks.ts";
import { BucketSession } from "../../src/doctor/bucket/session.ts";
import type { Examination, Finding } from "../../src/doctor/finding.ts";

export const BUCKET = "my-bucket";

/** A folder of its own for the running test. */
export async function testFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "bucketline-doctor-test-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** The settings of an environment, and nothing of the machine's own. */
export async function configOf(environment: Environment = {}): Promise<Config> {
  return await loadConfig({ folder: await testFolder(), environment, flags: {} });
}

export async function openSandbox(options: SandboxOptions = {}): Promise<Sandbox> {
  const sandbox = await startSandbox({ buckets: [BUCKET], ...options });
  onTestFinished(() => sandbox.close());
  return sandbox;
}

export interface Examined {
  readonly findings: readonly Finding[];
  readonly warnings: readonly string[];
  readonly isWhole: boolean;
  readonly session: BucketSession;
  readonly config: Config;
}

type Choices = Partial<Pick<Examination, "isQuick" | "signal" | "cut">> & {
  readonly bucket?: string;
  readonly prefix?: string;
};

export interface Opened {
  readonly session: BucketSession;
  readonly config: Config;
}

export async function openSession(sandbox: Sandbox, choices: Choices = {}): Promise<Opened> {
  const { isQuick = false, signal = never(), cut = never(), bucket = BUCKET, prefix = "" } = choices;
  const config = await configOf({ AWS_ENDPOINT_URL: sandbox.endpoint, AWS_REGION: sandbox.region });
  const client = createS3Client({ ...connectionOf(config), credentials: sandbox.credentials });
  onTestFinished(() => client.destroy());
  const destination = { bucket, prefix };
  return { config, session: new BucketSession(client, { config, destination, isQuick, signal, cut }, destination) };
}

/** Examines the sandbox's bucket in this process. */
export async function examine(sandbox: Sandbox, choices: Choices = {}): Promise<Examined> {
  const { session, config } = await openSession(sandbox, choices);
  const findings: Finding[] = [];
  const warnings: string[] = [];
  const tell = (finding: Finding) => void findings.push(finding);
  const { isWhole } = await examineBucket(session, tell, (text) => void warnings.push(text));
  return { findings, warnings, isWhole, session, config };
}

/** What is not as it should be. */
export function troubleOf({ findings }: Pick<Examined, "findings">): string[] {
  return findings
    .filter(({ level }) => level === "warning" || level === "problem")
    .map(({ check, level, message }) => `${level} ${check}: ${message}`);
}

/** Keys of objects and of open multipart uploads. */
export function leftIn(sandbox: Sandbox): string[] {
  return [...sandbox.objects(BUCKET), ...sandbox.multipartUploads(BUCKET)].map(({ key }) => key);
}

export function never(): AbortSignal {
  return new AbortController().signal;
}

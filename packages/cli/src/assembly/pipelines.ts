import type { PipelineDefinition, Step } from "@bucketline/core";
import { clamav, encrypt, extensions, fileType, gzip, rawKey, sha256, sizeLimit, zstd } from "@bucketline/steps";
import type { PipelineSettings, StepSetting } from "../config/pipelines.ts";
import { ConfigError, codeOf } from "../errors.ts";

/** The steps that the settings describe. No key is read. @throws ConfigError for options that make no sense together, with their place */
export function makePipelines(settings: PipelineSettings): Record<string, PipelineDefinition> {
  const problems: string[] = [];
  const made = Object.entries(settings).map(([name, { steps, spool }]) => {
    const definition = { steps: steps.flatMap((step) => noting(problems, step)), spool };
    return [name, definition] as const;
  });
  if (problems.length > 0) throw new ConfigError(problems);
  return Object.fromEntries(made);
}

function noting(problems: string[], setting: StepSetting): Step[] {
  try {
    return [makeStep(setting)];
  } catch (error) {
    if (!(error instanceof Error) || !codeOf(error)?.startsWith("INVALID_")) throw error;
    problems.push(`${setting.place}: ${error.message}`);
    return [];
  }
}

function makeStep({ step, options }: StepSetting): Step {
  switch (step) {
    case "sizeLimit":
      return sizeLimit(options);
    case "extensions":
      return extensions(options);
    case "fileType":
      return fileType(options);
    case "clamav":
      return clamav(options);
    case "gzip":
      return gzip(options);
    case "zstd":
      return zstd(options);
    case "encrypt":
      return encrypt({ ...options, keys: options.keys.map((key) => rawKey(key)) });
    case "sha256":
      return sha256(options);
  }
}

import type { PipelineSettings } from "./pipelines.ts";
import type { SettingName, Values } from "./settings.ts";

/** Where a value comes from. */
export type Origin =
  | { readonly from: "flag"; readonly flag: string }
  | { readonly from: "environment" | ".env"; readonly variable: string }
  | { readonly from: "file"; readonly file: string; readonly line: number }
  | { readonly from: "default" };

/** What is in force: flags before the environment (`.env` last) before bucketline.yaml before the defaults. */
export interface Config {
  readonly values: Values & { readonly databaseUrl: string; readonly dataFolder: string; readonly spoolFolder: string };
  readonly origins: Readonly<Record<SettingName, Origin>>;
  /** Only bucketline.yaml has them. */
  readonly pipelines: PipelineSettings;
  /** The bucketline.yaml that was read. */
  readonly file: string | undefined;
  /** The environment with what `.env` adds. */
  readonly environment: Environment;
}

export type Environment = Readonly<Record<string, string | undefined>>;

import type {
  ClamavOptions,
  EncryptOptions,
  ExtensionsOptions,
  FileTypeOptions,
  GzipOptions,
  Sha256Options,
  SizeLimitOptions,
  ZstdOptions,
} from "@bucketline/steps";

/** A key as bucketline.yaml names it: never the key itself. */
export interface KeySetting {
  readonly id: string;
  /** Absolute. */
  readonly keyFile: string;
}

/** The options of each ready-made step, by its name: those of the library, but for keys, which stand in files. */
interface StepOptions {
  readonly sizeLimit: SizeLimitOptions;
  readonly extensions: ExtensionsOptions;
  readonly fileType: FileTypeOptions;
  readonly clamav: ClamavOptions;
  readonly gzip: GzipOptions;
  readonly zstd: ZstdOptions;
  readonly encrypt: Omit<EncryptOptions, "keys" | "context"> & {
    readonly keys: readonly KeySetting[];
    readonly context?: Readonly<Record<string, string>>;
  };
  readonly sha256: Sha256Options;
}

export type StepName = keyof StepOptions;

/** One step of a pipeline, and the place in bucketline.yaml that names it, such as `/srv/bucketline.yaml:4:5`. */
export type StepSetting = {
  readonly [S in StepName]: { readonly step: S; readonly options: StepOptions[S]; readonly place: string };
}[StepName];

export interface PipelineSetting {
  readonly steps: readonly StepSetting[];
  readonly spool: boolean;
  /** Of bucketline.yaml. */
  readonly line: number;
}

export type PipelineSettings = Readonly<Record<string, PipelineSetting>>;

/** Every key that the pipelines name, each once. */
export function keysOf(pipelines: PipelineSettings): KeySetting[] {
  const keys = stepsOf(pipelines, "encrypt").flatMap(({ options }) => options.keys);
  return [...new Map(keys.map((key) => [`${key.id}\0${key.keyFile}`, key])).values()];
}

/** The steps of one kind, of all pipelines. */
export function stepsOf<S extends StepName>(pipelines: PipelineSettings, name: S) {
  const isOne = (step: StepSetting): step is Extract<StepSetting, { readonly step: S }> => step.step === name;
  return Object.values(pipelines).flatMap(({ steps }) => steps.filter(isOne));
}

/** A pipeline without where its keys are. */
export function pipelineView({ steps, spool }: PipelineSetting) {
  return {
    steps: steps.map(({ step, options }) => ({
      [step]: "keys" in options ? { ...options, keys: options.keys.map(({ id }) => ({ id })) } : options,
    })),
    spool,
  };
}

/** The same on one line: `fileType allow=image/* → encrypt keys=k1`. */
export function pipelineText({ steps, spool }: PipelineSetting): string {
  const texts = steps.map(({ step, options }) =>
    [step, ...Object.entries(options).map(([name, value]) => `${name}=${valueText(value)}`)].join(" "),
  );
  return `${texts.join(" → ")}${spool ? "" : " (no spool)"}`;
}

function valueText(value: unknown): string {
  if (Array.isArray(value)) return value.map(valueText).join(",");
  if (typeof value !== "object" || value === null) return String(value);
  if ("keyFile" in value && "id" in value) return String(value.id);
  return Object.entries(value)
    .map(([name, text]) => `${name}:${String(text)}`)
    .join(",");
}

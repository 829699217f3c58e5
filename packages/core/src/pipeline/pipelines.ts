import { createHash } from "node:crypto";
import { InputError } from "../errors.ts";
import { type Emit, emitWarning } from "../events.ts";
import type { UploadRecord, UploadSpec } from "../upload.ts";
import { type CheckStep, STEP_NAME, type Step, type TransformStep } from "./step.ts";

/** Steps in their order, alone or with what else there is to say of a pipeline. */
export type PipelineDefinition = readonly Step[] | { readonly steps: readonly Step[]; readonly spool?: boolean };

/** A pipeline as the engine runs it. */
export interface Pipeline {
  readonly name: string;
  readonly checks: readonly CheckStep[];
  readonly transforms: readonly TransformStep[];
  /** Whether what the transforms make is kept on disk until it has arrived; false: it goes out as it is made. */
  readonly spool: boolean;
  readonly keySuffix: string;
  /** Tells it from a pipeline with other steps, or other versions of them. */
  readonly identity: string;
}

/** A pipeline of a service, as it is shown. */
export interface PipelineSummary {
  readonly name: string;
  /** In the order in which they run. */
  readonly steps: readonly (Pick<Step, "name" | "kind"> & { readonly version: string | null })[];
  /** Whether what its transforms make is kept on disk until it has arrived. */
  readonly spool: boolean;
  /** Appended to every key; empty for none. */
  readonly keySuffix: string;
}

/** What an upload records of its pipeline. */
type PipelineSettings = Pick<UploadSpec, "pipeline" | "keySuffix">;

/**
 * The pipelines of a service, by name.
 * @throws InputError `INVALID_PIPELINE`
 */
export class Pipelines {
  readonly #pipelines: ReadonlyMap<string, Pipeline>;
  /** Uploads whose pipeline is not here, and was said to be missing. */
  readonly #missed = new Set<string>();

  constructor(definitions: Readonly<Record<string, PipelineDefinition>>) {
    this.#pipelines = new Map(
      Object.entries(definitions).map(([name, definition]) => [name, compiled(name, definition)] as const),
    );
  }

  get(name: string): Pipeline | undefined {
    return this.#pipelines.get(name);
  }

  /** All of them, in the order in which they were given. */
  get list(): readonly PipelineSummary[] {
    return [...this.#pipelines.values()].map(({ name, checks, transforms, spool, keySuffix }) => {
      const steps = [...checks, ...transforms].map((step) => {
        return { name: step.name, kind: step.kind, version: step.version ?? null };
      });
      return { name, steps, spool, keySuffix };
    });
  }

  /** Whether any of them keeps what it makes on disk. */
  get needSpool(): boolean {
    return [...this.#pipelines.values()].some(({ spool }) => spool);
  }

  /** Whether there is a pipeline with this identity. */
  knows(identity: string): boolean {
    return [...this.#pipelines.values()].some((pipeline) => pipeline.identity === identity);
  }

  /** Whether files of the upload can be worked on here; warns once if they cannot. Older records name no pipeline. */
  has({ id, spec }: Pick<UploadRecord, "id" | "spec">, emit: Emit): boolean {
    const name = spec.pipeline ?? null;
    if (name === null || this.#pipelines.has(name)) return true;
    if (this.#missed.has(id)) return false;
    this.#missed.add(id);
    const message = `Files of upload ${id} wait: the service has no pipeline ${JSON.stringify(name)}.`;
    emitWarning(emit, { code: "PIPELINE_UNKNOWN", message }, id);
    return false;
  }

  /** @throws InputError `PIPELINE_UNKNOWN` */
  settings(pipeline: string | null): PipelineSettings {
    if (pipeline === null) return { pipeline, keySuffix: "" };
    const known = this.#pipelines.get(pipeline);
    if (known) return { pipeline, keySuffix: known.keySuffix };
    const names = [...this.#pipelines.keys()].join(", ") || "none";
    throw new InputError("PIPELINE_UNKNOWN", `There is no pipeline ${JSON.stringify(pipeline)}. There are: ${names}.`);
  }

  /** @throws InputError `INVALID_OPTION` for settings that the pipeline cannot keep to */
  refuse({ pipeline, overwrite }: Pick<UploadSpec, "pipeline" | "overwrite">): void {
    const known = pipeline === null ? undefined : this.#pipelines.get(pipeline);
    if (!known || known.spool || known.transforms.length === 0 || overwrite !== "never") return;
    const message = `overwrite "never" cannot be kept to by pipeline ${known.name}, which streams. Let it spool.`;
    throw new InputError("INVALID_OPTION", message);
  }
}

export const NO_PIPELINES = new Pipelines({});

function compiled(name: string, definition: PipelineDefinition): Pipeline {
  if (!STEP_NAME.test(name)) {
    const rule = "1 to 64 letters, digits, '.', '_' and '-', the first a letter or digit";
    throw invalid(`A pipeline is called ${JSON.stringify(name)}; names have ${rule}.`);
  }
  const { steps, spool = true } = Array.isArray(definition)
    ? { steps: definition as readonly Step[] }
    : (definition as Exclude<PipelineDefinition, readonly Step[]>);
  if (!Array.isArray(steps) || steps.length === 0) throw invalid(`Pipeline ${name} has no steps.`);
  if (typeof spool !== "boolean") throw invalid(`Pipeline ${name}: spool must be true or false.`);
  return assembled(name, steps, spool);
}

function assembled(name: string, steps: readonly Step[], spool: boolean): Pipeline {
  const checks: CheckStep[] = [];
  const transforms: TransformStep[] = [];
  const names = new Set<string>();
  for (const step of steps) {
    if (step?.kind !== "check" && step?.kind !== "transform")
      throw invalid(`Pipeline ${name} holds something that is no step. Make steps with defineStep.`);
    if (names.has(step.name)) throw invalid(`Pipeline ${name} has two steps called ${step.name}.`);
    names.add(step.name);
    if (step.kind === "check" && transforms.length > 0)
      throw invalid(`Pipeline ${name}: check ${step.name} stands behind a transform. Checks look at the source file.`);
    if (step.kind === "transform" && step.late && !spool)
      throw invalid(`Pipeline ${name}: step ${step.name} knows its changes only at the end, which needs the spool.`);
    if (step.kind === "check") checks.push(step);
    else transforms.push(step);
  }
  return {
    name,
    checks,
    transforms,
    spool: spool && transforms.length > 0,
    keySuffix: transforms.map(({ keySuffix }) => keySuffix).join(""),
    identity: identityOf(name, steps),
  };
}

/** Spools and unfinished uploads carry it: without versions it stays what it was before steps had any. */
function identityOf(name: string, steps: readonly Step[]): string {
  const marks = steps.map((step) => (step.version === undefined ? step.name : [step.name, step.version]));
  const digest = createHash("sha256").update(JSON.stringify([name, ...marks]));
  return digest.digest("hex").slice(0, 8);
}

function invalid(message: string): InputError {
  return new InputError("INVALID_PIPELINE", message);
}

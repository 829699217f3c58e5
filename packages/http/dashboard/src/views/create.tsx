import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { type ApiError, post, read, request } from "../api/client.ts";
import type { Created, Pipeline, Plan } from "../api/types.ts";
import { bodyOf, type Field, type Inputs, type Problems } from "../form/field.ts";
import { Input } from "../form/input.tsx";
import { processingBody, processingFields, sentFields } from "../form/processing-fields.ts";
import { FILES, MAIN, OBJECTS, WORK } from "../form/upload-fields.ts";
import { Icon } from "../parts/icon.tsx";
import { Empty, Trouble, Waiting } from "../parts/notice.tsx";
import { useTitle } from "../parts/title.ts";
import { go, href } from "../router.ts";
import { toast } from "../state/notify.ts";
import { rereadUpload } from "../state/uploads.ts";
import { PlanResult } from "./plan.tsx";
import { type Roots, Where } from "./where.tsx";

const ID: Field = {
  name: "upload_id",
  label: "Name",
  kind: "text",
  placeholder: "Chosen for you",
  hint: "Letters, digits, dots, dashes and underscores.",
};
const WHERE: readonly Field[] = [
  { name: "source_folder", label: "Folder", kind: "text", required: true },
  { name: "destination_bucket", label: "Bucket", kind: "text", required: true },
];
const FOLDED = [
  ["Which files", FILES],
  ["Objects", OBJECTS],
  ["When and how fast", WORK],
] as const;
const ALL: readonly Field[] = [...WHERE, ID, ...MAIN, ...FILES, ...OBJECTS, ...WORK];

/** What the service offers to choose from. */
interface Choices {
  readonly roots: Roots;
  readonly pipelines: readonly Pipeline[];
}

async function readChoices(): Promise<Choices> {
  const [roots, { pipelines }] = await Promise.all([
    read<Roots>("/roots"),
    read<{ readonly pipelines: readonly Pipeline[] }>("/pipelines"),
  ]);
  return { roots, pipelines };
}

/** Makes a new upload; says first what it would do, if asked. */
export function CreateView(): JSX.Element {
  useTitle("New upload");
  const choices = useSignal<Choices | ApiError | null>(null);
  const load = () => {
    readChoices().then(
      (found) => (choices.value = found),
      (error: ApiError) => (choices.value = error),
    );
  };
  useEffect(load, []);
  return (
    <>
      <a class="back" href={href(["uploads"])}>
        <Icon name="back" /> Uploads
      </a>
      <div class="page-head">
        <h1>New upload</h1>
      </div>
      {choices.value === null && <Waiting what="Reading the allowed folders" />}
      {choices.value instanceof Error && <Trouble error={choices.value} again={load} />}
      {choices.value && !(choices.value instanceof Error) && <Form {...choices.value} />}
    </>
  );
}

type Step = "idle" | "planning" | "creating";

function Form({ roots, pipelines }: Choices): JSX.Element {
  const form = useRef<HTMLFormElement>(null);
  const inputs = useSignal<Inputs>({ destination_bucket: roots.buckets?.[0] ?? "" });
  const problems = useSignal<Problems>({});
  const trouble = useSignal<Error | null>(null);
  const plan = useSignal<Plan | null>(null);
  const step = useSignal<Step>("idle");
  const key = useRef(idempotencyKey());
  const processing = processingFields(pipelines, inputs.value);
  const set = (name: string, value: string) => {
    inputs.value = { ...inputs.value, [name]: value };
    // What was refused, or looked at, was something else.
    plan.value = null;
    trouble.value = null;
    key.current = idempotencyKey();
  };
  const submit = async (next: Exclude<Step, "idle">, send: (body: object) => Promise<void>) => {
    if (step.value !== "idle") return;
    const fields = sentFields([...ALL, ...processing], inputs.value);
    const { body, problems: found } = bodyOf(fields, inputs.value);
    problems.value = found;
    trouble.value = null;
    if (Object.keys(found).length > 0) return focusFirst(form.current, Object.keys(found));
    step.value = next;
    try {
      await send(processingBody(body, inputs.value));
    } catch (error) {
      trouble.value = error instanceof Error ? error : new Error(String(error));
    }
    step.value = "idle";
  };
  const preview = () =>
    submit("planning", async (body) => {
      plan.value = await post<Plan>("/uploads/plan?limit=200", body);
    });
  const create = () =>
    submit("creating", async (body) => {
      const headers = { "idempotency-key": key.current };
      const { body: created } = await request<Created>("POST", "/uploads", { body, headers });
      toast(
        "good",
        created.status === "created" ? `Created ${created.upload_id}` : `${created.upload_id} was there already`,
      );
      rereadUpload(created.upload_id);
      go(["uploads", created.upload_id]);
    });
  const field = (one: Field) => (
    <Input
      key={one.name}
      field={one}
      value={inputs.value[one.name] ?? ""}
      problem={problems.value[one.name]}
      onInput={(value) => set(one.name, value)}
    />
  );
  return (
    <form
      ref={form}
      class="form"
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        void create();
      }}
    >
      <div>
        <div class="panel fields">
          <Where roots={roots} inputs={inputs.value} problems={problems.value} set={set} />
          {field(ID)}
          {MAIN.map(field)}
          {processing.map(field)}
          {FOLDED.map(([title, fields]) => (
            <details key={title} class="fold">
              <summary>{title}</summary>
              <div class="fields">{fields.map(field)}</div>
            </details>
          ))}
        </div>
        {trouble.value && <Trouble error={trouble.value} />}
        <div class="form-foot">
          <button type="button" class="button" aria-disabled={step.value !== "idle"} onClick={() => void preview()}>
            <Icon name="eye" /> {step.value === "planning" ? "Looking…" : "Preview"}
          </button>
          <button type="submit" class="button button-main" aria-disabled={step.value !== "idle"}>
            {step.value === "creating" ? "Creating…" : "Create upload"}
          </button>
        </div>
      </div>
      {plan.value ? <PlanResult plan={plan.value} /> : <NoPlan />}
    </form>
  );
}

function NoPlan(): JSX.Element {
  return (
    <Empty icon="eye" title="Preview">
      <p class="quiet">See which files would be sent, under which keys. Nothing is done.</p>
    </Empty>
  );
}

/** Opens what is folded around the first field that is wrong, and goes there. */
function focusFirst(form: HTMLFormElement | null, names: readonly string[]): void {
  const input = form?.querySelector<HTMLElement>(names.map((name) => `[name="${name}"]`).join(","));
  const fold = input?.closest("details");
  if (fold) fold.open = true;
  input?.focus();
}

/** `crypto.randomUUID` is there for secure origins only. */
function idempotencyKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

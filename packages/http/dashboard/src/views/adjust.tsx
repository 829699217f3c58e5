import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import { ApiError, request } from "../api/client.ts";
import type { Upload } from "../api/types.ts";
import { bodyOf, type Inputs, type Problems } from "../form/field.ts";
import { Input } from "../form/input.tsx";
import { ADJUSTABLE } from "../form/upload-fields.ts";
import { Dialog } from "../parts/dialog.tsx";
import { Trouble, Waiting } from "../parts/notice.tsx";
import { toast } from "../state/notify.ts";
import { loadUpload } from "../state/uploads.ts";
import { durationText, sizeText } from "../text/quantity.ts";

/** Changes settings of an upload that runs; refuses when somebody else has changed it meanwhile. */
export function Adjust({ id, onClose }: { id: string; onClose: () => void }): JSX.Element {
  const inputs = useSignal<Inputs | null>(null);
  const problems = useSignal<Problems>({});
  const trouble = useSignal<Error | null>(null);
  const etag = useSignal<string | null>(null);
  const load = () => {
    trouble.value = null;
    loadUpload(id).then(
      (found) => {
        etag.value = found.etag;
        inputs.value = inputsOf(found.upload.peek().settings);
      },
      (error: Error) => (trouble.value = error),
    );
  };
  useEffect(load, []);
  const save = async () => {
    const { body, problems: found } = bodyOf(ADJUSTABLE, inputs.value ?? {});
    problems.value = found;
    if (Object.keys(found).length > 0) return;
    // What was emptied goes back to its default.
    const emptied = { schedule: null, active_hours: null, bandwidth_limit: null, priority: 0 };
    const headers = etag.value === null ? {} : { "if-match": etag.value };
    try {
      await request("PATCH", `/uploads/${encodeURIComponent(id)}`, { body: { ...emptied, ...body }, headers });
      toast("good", `Adjusted ${id}`);
      onClose();
    } catch (error) {
      trouble.value = error as Error;
    }
  };
  const changed = trouble.value instanceof ApiError && trouble.value.code === "PRECONDITION_FAILED";
  return (
    <Dialog title={`Adjust ${id}`} onClose={onClose}>
      {trouble.value && <Trouble error={trouble.value} {...(changed && { again: load })} />}
      {!inputs.value && !trouble.value && <Waiting what="Reading the settings" />}
      {inputs.value && (
        <form
          class="fields"
          noValidate
          onSubmit={(event) => {
            event.preventDefault();
            void save();
          }}
        >
          {ADJUSTABLE.map((field) => (
            <Input
              key={field.name}
              field={field}
              value={inputs.value?.[field.name] ?? ""}
              problem={problems.value[field.name]}
              onInput={(value) => (inputs.value = { ...inputs.value, [field.name]: value })}
            />
          ))}
          <div class="dialog-foot">
            <button type="button" class="button" onClick={onClose}>
              Leave as it is
            </button>
            <button type="submit" class="button button-main">
              Save
            </button>
          </div>
        </form>
      )}
    </Dialog>
  );
}

function inputsOf({ schedule, active_hours, bandwidth_limit, priority }: Upload["settings"]): Inputs {
  return {
    schedule: typeof schedule === "number" ? durationText(schedule) : (schedule ?? ""),
    active_hours: active_hours ?? "",
    bandwidth_limit: bandwidth_limit === null ? "" : sizeText(bandwidth_limit),
    priority: priority === 0 ? "" : `${priority}`,
  };
}

import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import { read, request } from "../api/client.ts";
import type { Limits } from "../api/types.ts";
import { bodyOf, type Field, type Inputs, type Problems } from "../form/field.ts";
import { Input } from "../form/input.tsx";
import { Facts } from "../parts/facts.tsx";
import { Trouble } from "../parts/notice.tsx";
import { toast } from "../state/notify.ts";
import { mayChange } from "../state/session.ts";
import { rate } from "../text/format.ts";
import { sizeText } from "../text/quantity.ts";

const FIELDS: readonly Field[] = [
  {
    name: "bandwidth_limit",
    label: "Bandwidth",
    kind: "size",
    placeholder: "No limit",
    hint: "Per second, such as 50 MiB.",
  },
  { name: "active_hours", label: "Hours", kind: "text", placeholder: "Always", hint: "Such as 22:00-06:00." },
];

/** What the service may send over all uploads, until it ends. */
export function LimitsPanel(): JSX.Element {
  const limits = useSignal<Limits | null>(null);
  const inputs = useSignal<Inputs>({});
  const problems = useSignal<Problems>({});
  const trouble = useSignal<Error | null>(null);
  const take = (found: Limits) => {
    limits.value = found;
    inputs.value = {
      bandwidth_limit: found.bandwidth_limit === null ? "" : sizeText(found.bandwidth_limit),
      active_hours: found.active_hours ?? "",
    };
  };
  useEffect(() => {
    read<Limits>("/limits").then(take, (error: Error) => (trouble.value = error));
  }, []);
  const save = async () => {
    const { body, problems: found } = bodyOf(FIELDS, inputs.value);
    problems.value = found;
    trouble.value = null;
    if (Object.keys(found).length > 0) return;
    try {
      take(
        (await request<Limits>("PUT", "/limits", { body: { bandwidth_limit: null, active_hours: null, ...body } }))
          .body,
      );
      toast("good", "Limits changed");
    } catch (error) {
      trouble.value = error as Error;
    }
  };
  return (
    <section class="panel" aria-labelledby="limits">
      <h2 id="limits">Limits of all uploads</h2>
      {trouble.value && <Trouble error={trouble.value} />}
      {limits.value && !mayChange.value && (
        <Facts
          of={[
            ["Bandwidth", limits.value.bandwidth_limit === null ? "No limit" : rate(limits.value.bandwidth_limit)],
            ["Hours", limits.value.active_hours ?? "Always"],
          ]}
        />
      )}
      {limits.value && mayChange.value && (
        <form
          class="fields"
          noValidate
          onSubmit={(event) => {
            event.preventDefault();
            void save();
          }}
        >
          {FIELDS.map((field) => (
            <Input
              key={field.name}
              field={field}
              value={inputs.value[field.name] ?? ""}
              problem={problems.value[field.name]}
              onInput={(value) => (inputs.value = { ...inputs.value, [field.name]: value })}
            />
          ))}
          <div class="fields-foot">
            <button type="submit" class="button">
              Change
            </button>
            <span class="hint">Holds until the service ends.</span>
          </div>
        </form>
      )}
    </section>
  );
}

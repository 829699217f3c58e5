import type { JSX } from "preact";
import { useId } from "preact/hooks";
import type { Field } from "./field.ts";

interface InputProps {
  readonly field: Field;
  readonly value: string;
  readonly problem: string | undefined;
  readonly onInput: (value: string) => void;
}

/** One field with its label, hint, and what is wrong with it. */
export function Input({ field, value, problem, onInput }: InputProps): JSX.Element {
  const id = useId();
  const described = [field.hint && `${id}-hint`, problem && `${id}-problem`].filter(Boolean).join(" ") || undefined;
  const common = {
    id,
    name: field.name,
    "aria-describedby": described,
    "aria-invalid": problem !== undefined,
    "aria-required": field.required,
  } as const;
  return (
    <div class={`field field-${field.kind}`}>
      <label for={id}>{field.label}</label>
      <Control field={field} value={value} onInput={onInput} common={common} />
      {field.hint && (
        <p class="hint" id={`${id}-hint`}>
          {field.hint}
        </p>
      )}
      {problem !== undefined && (
        <p class="problem" id={`${id}-problem`}>
          {problem}
        </p>
      )}
    </div>
  );
}

type ControlProps = Pick<InputProps, "field" | "value" | "onInput"> & {
  readonly common: Readonly<Record<string, unknown>>;
};

function Control({ field, value, onInput, common }: ControlProps): JSX.Element {
  if (field.kind === "flag") {
    return (
      <input
        {...common}
        type="checkbox"
        checked={value === "on"}
        onChange={(event) => onInput(event.currentTarget.checked ? "on" : "")}
      />
    );
  }
  if (field.kind === "choice") {
    return (
      <select
        {...common}
        value={value || (field.choices?.[0]?.[0] ?? "")}
        onChange={(event) => onInput(event.currentTarget.value)}
      >
        {field.choices?.map(([choice, name]) => (
          <option key={choice} value={choice}>
            {name}
          </option>
        ))}
      </select>
    );
  }
  const text = { value, placeholder: field.placeholder, spellcheck: false, autocomplete: "off" } as const;
  if (field.kind === "lines" || field.kind === "pairs") {
    return <textarea {...common} {...text} rows={2} onInput={(event) => onInput(event.currentTarget.value)} />;
  }
  return <input {...common} {...text} type="text" onInput={(event) => onInput(event.currentTarget.value)} />;
}

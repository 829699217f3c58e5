import type { JSX } from "preact";
import { useId } from "preact/hooks";
import type { Inputs, Problems } from "../form/field.ts";
import { Input } from "../form/input.tsx";

export interface Roots {
  /** Folders in which uploads may begin. */
  readonly roots: readonly string[];
  /** Null: any. */
  readonly buckets: readonly string[] | null;
}

interface WhereProps {
  readonly roots: Roots;
  readonly inputs: Inputs;
  readonly problems: Problems;
  readonly set: (name: string, value: string) => void;
}

/** From which folder to which bucket. */
export function Where({ roots, inputs, problems, set }: WhereProps): JSX.Element {
  const { buckets } = roots;
  return (
    <>
      <Folder roots={roots.roots} value={inputs.source_folder ?? ""} problem={problems.source_folder} set={set} />
      <Input
        field={{
          name: "destination_bucket",
          label: "Bucket",
          required: true,
          ...(buckets ? { kind: "choice", choices: buckets.map((name) => [name, name]) } : { kind: "text" }),
        }}
        value={inputs.destination_bucket ?? ""}
        problem={problems.destination_bucket}
        onInput={(value) => set("destination_bucket", value)}
      />
    </>
  );
}

type FolderProps = Pick<WhereProps, "set"> & {
  readonly roots: readonly string[];
  readonly value: string;
  readonly problem: string | undefined;
};

function Folder({ roots, value, problem, set }: FolderProps): JSX.Element {
  const id = useId();
  if (roots.length === 0) {
    return (
      <p class="remark">This service has no allowed roots: it takes no new uploads over HTTP. Set allowedRoots.</p>
    );
  }
  return (
    <div class="field">
      <label for={id}>Folder</label>
      <input
        id={id}
        name="source_folder"
        type="text"
        list={`${id}-roots`}
        value={value}
        placeholder={`${roots[0]}/…`}
        spellcheck={false}
        autocomplete="off"
        aria-required="true"
        aria-invalid={problem !== undefined}
        aria-describedby={`${id}-hint`}
        onInput={(event) => set("source_folder", event.currentTarget.value)}
      />
      <datalist id={`${id}-roots`}>
        {roots.map((root) => (
          <option key={root} value={root} />
        ))}
      </datalist>
      <p class="hint" id={`${id}-hint`}>
        Inside{" "}
        {roots.map((root, at) => (
          <span key={root}>
            {at > 0 && " or "}
            <button type="button" class="root" onClick={() => set("source_folder", root)}>
              {root}
            </button>
          </span>
        ))}
        . {problem && <span class="problem">{problem}</span>}
      </p>
    </div>
  );
}

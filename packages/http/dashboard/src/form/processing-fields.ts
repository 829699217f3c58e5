import type { Pipeline } from "../api/types.ts";
import type { Field, Inputs } from "./field.ts";

/** Values of the choice that are no values of the API's field. */
const MOVE = "move";
const DROP = "drop";

/** What is done to files on their way and afterwards, as far as the choices so far ask for it. */
export function processingFields(pipelines: readonly Pipeline[], inputs: Inputs): readonly Field[] {
  const after = inputs.after_upload;
  return [
    ...(pipelines.length > 0 ? [pipelineField(pipelines)] : []),
    AFTER,
    ...(after === MOVE ? [MOVE_TO] : []),
    ...(after === DROP ? [RETENTION] : []),
  ];
}

/** The fields that become a part of the API's body. */
export function sentFields(fields: readonly Field[], { after_upload: after }: Inputs): readonly Field[] {
  return after === MOVE || after === DROP ? fields.filter((field) => field !== AFTER) : fields;
}

/** The body with the choice of a drop folder, which may have no settings of its own. */
export function processingBody(body: object, { after_upload: after }: Inputs): object {
  return after === DROP ? { drop: {}, ...body } : body;
}

function pipelineField(pipelines: readonly Pipeline[]): Field {
  const choices = pipelines.map(({ name, steps }) => {
    return [name, `${name}: ${steps.map((step) => step.name).join(", ")}`] as const;
  });
  return {
    name: "pipeline",
    label: "Pipeline",
    kind: "choice",
    choices: [["", "None: files are sent as they are"], ...choices],
    hint: "Steps that check each file, or change it on its way. A file that a step rejects is not sent.",
  };
}

const AFTER: Field = {
  name: "after_upload",
  label: "After the upload",
  kind: "choice",
  choices: [
    ["keep", "Files stay where they are"],
    [MOVE, "Files are moved"],
    ["delete", "Files are deleted"],
    [DROP, "Drop folder: incoming, working, done, failed"],
  ],
  hint: "Only once the bucket holds the file, and never for one that has changed since. A drop folder takes what is put into incoming/, and moves it to done/ or failed/.",
};

const MOVE_TO: Field = {
  name: "after_upload.move_to",
  label: "Move to",
  kind: "text",
  required: true,
  hint: "An absolute path inside one of the allowed roots, on the same file system.",
};

const RETENTION: Field = {
  name: "drop.retention",
  label: "Keep what is done for",
  kind: "duration",
  placeholder: "Ever",
  hint: "How long files stay in done/ before they are deleted, such as 30 d. Those in failed/ are kept.",
};

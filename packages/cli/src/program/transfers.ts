import { readCount, readDuration } from "../config/values.ts";
import { BUCKET_SETTINGS, type CommandDefinition, type OperandDefinition, TRANSFER_SETTINGS } from "./define.ts";
import { AFTER_OPTION, DELETE_OPTIONS, FILE_OPTIONS, OBJECT_OPTIONS, PIPELINE_OPTION } from "./upload-options.ts";

const FOLDER: OperandDefinition = { name: "folder", summary: "the folder to upload" };
const DESTINATION: OperandDefinition = { name: "destination", summary: "s3://BUCKET or s3://BUCKET/PREFIX" };
const UPLOAD: OperandDefinition = { name: "id", summary: "id of the upload" };

export const TRANSFER_COMMANDS: readonly CommandDefinition[] = [
  {
    name: "sync",
    group: "Upload",
    summary: "bring a folder into a bucket, once, and show how it goes",
    description:
      "Uploads every file that is not in the bucket yet, or has changed since. Run it again, however it ended, and it goes on\n" +
      "where it was. The first Ctrl-C lets what is in flight finish, the second stops at once; nothing is lost either way.",
    operands: [FOLDER, DESTINATION],
    options: [
      { flags: "--id <id>", summary: "name of the upload in the ledger (default: made of folder and destination)" },
      ...FILE_OPTIONS,
      ...OBJECT_OPTIONS,
      ...DELETE_OPTIONS,
      PIPELINE_OPTION,
      AFTER_OPTION,
      { flags: "-n, --dry-run", summary: "say what would be done, and touch nothing" },
      { flags: "-w, --watch", summary: "stay, and send what is new and changed, until Ctrl-C" },
      { flags: "--verify", summary: "compare the bucket with what was sent, at the end" },
      { flags: "--allow-deletes", summary: "delete objects beyond the limit, this once" },
      {
        flags: "--trust-folder",
        summary: "the folder is right although it is empty, on another disk or without its marker",
      },
    ],
    settings: [...TRANSFER_SETTINGS, "monitorInterval", "stabilityThreshold", ...BUCKET_SETTINGS],
    examples: [
      { says: "A folder into a bucket", line: "sync ./photos s3://my-bucket" },
      { says: "Below a prefix, JPEGs only", line: "sync ./photos s3://my-bucket/2026 --pattern '**/*.jpg'" },
      { says: "What would be done", line: "sync ./photos s3://my-bucket --dry-run" },
      { says: "And go on with what comes and changes", line: "sync ./photos s3://my-bucket --watch" },
      { says: "Compressed, as bucketline.yaml says", line: "sync ./logs s3://my-bucket/logs --pipeline compressed" },
      { says: "Lines of JSON for a script", line: "sync ./photos s3://my-bucket --json | jq ." },
    ],
    load: () => import("../commands/sync.ts"),
  },
  {
    name: "drop",
    group: "Upload",
    summary: "send what is put into a folder's incoming/, and move it to done/ or failed/",
    description:
      "Files of incoming/ that are quiet are moved to working/, sent, and moved to done/ once they are proven to be in the bucket;\n" +
      "what a check refuses, and what fails for good, goes to failed/. Runs until Ctrl-C, and goes on where it was when it is run\n" +
      "again, however it ended. The folder must exist; the four in it are made.",
    operands: [{ ...FOLDER, summary: "the folder that holds incoming/, working/, done/ and failed/" }, DESTINATION],
    options: [
      { flags: "--id <id>", summary: "name of the upload in the ledger (default: made of folder and destination)" },
      PIPELINE_OPTION,
      {
        flags: "--retention <duration>",
        summary: "delete files from done/ after so long (default: never)",
        read: readDuration,
      },
      { flags: "--once", summary: "take what is there now, as it is, send it, and end" },
      ...FILE_OPTIONS,
      ...OBJECT_OPTIONS,
    ],
    settings: [...TRANSFER_SETTINGS, "monitorInterval", "stabilityThreshold", "requeueFailedAfter", ...BUCKET_SETTINGS],
    examples: [
      { says: "Until Ctrl-C", line: "drop /srv/scans s3://my-bucket/scans" },
      {
        says: "Checked and encrypted, done/ kept for 30 days",
        line: "drop /srv/scans s3://my-bucket --pipeline sealed --retention 30d",
      },
      { says: "From cron", line: "drop /srv/scans s3://my-bucket --once --stability-threshold 1m --quiet" },
    ],
    load: () => import("../commands/drop.ts"),
  },
  {
    name: "scan",
    group: "Upload",
    summary: "scan uploads once, send what is new, and end: for cron",
    operands: [{ ...UPLOAD, summary: "id of the upload (default: every active upload)", isOptional: true }],
    options: [
      { flags: "--allow-deletes", summary: "delete objects beyond the limit, this once" },
      {
        flags: "--trust-folder",
        summary: "the folder is right although it is empty, on another disk or without its marker",
      },
    ],
    settings: [...TRANSFER_SETTINGS, "stabilityThreshold", "host", ...BUCKET_SETTINGS],
    examples: [
      { says: "Everything that is registered, every night (crontab)", line: "scan --quiet" },
      { says: "One upload", line: "scan photos" },
    ],
    load: () => import("../commands/scan.ts"),
  },
  {
    name: "plan",
    group: "Upload",
    summary: "say what a scan would do, and touch nothing",
    operands: [
      { name: "upload", summary: "id of an upload, or a folder" },
      { ...DESTINATION, summary: "with a folder: s3://BUCKET or s3://BUCKET/PREFIX", isOptional: true },
    ],
    options: [...FILE_OPTIONS, ...OBJECT_OPTIONS, ...DELETE_OPTIONS, PIPELINE_OPTION, AFTER_OPTION],
    settings: [...BUCKET_SETTINGS],
    examples: [
      { says: "Of an upload", line: "plan photos" },
      { says: "Of a folder that is not registered", line: "plan ./photos s3://my-bucket/2026" },
    ],
    load: () => import("../commands/plan.ts"),
  },
  {
    name: "verify",
    group: "Upload",
    summary: "compare the ledger with what is in the bucket",
    operands: [UPLOAD],
    options: [
      { flags: "--deep", summary: "ask for every object, not only for those the listing leaves open" },
      { flags: "--repair", summary: "send again what is missing or different" },
    ],
    settings: [...TRANSFER_SETTINGS, ...BUCKET_SETTINGS],
    examples: [
      { says: "Whether everything is there", line: "verify photos" },
      { says: "And mend it", line: "verify photos --deep --repair" },
    ],
    load: () => import("../commands/verify.ts"),
  },
  {
    name: "register",
    group: "Upload",
    summary: "record an upload that monitor, serve or scan then work on",
    operands: [FOLDER, DESTINATION],
    options: [
      { flags: "--id <id>", summary: "letters, digits, dots, dashes and underscores (default: a UUID)" },
      {
        flags: "--mode <mode>",
        summary: "watch: follow the folder until cancelled; once: scan, upload, done (default: watch)",
        choices: ["watch", "once"],
      },
      { flags: "--schedule <when>", summary: "between scans, such as 5m; a cron expression; or manual" },
      { flags: "--priority <number>", summary: "higher goes first (default: 0)", read: (text) => readCount(text) },
      { flags: "--bound-to <host>", summary: "only services of this host name work on it" },
      {
        flags: "--max-unstable-age <duration>",
        summary: "after so long, send a file that never becomes quiet",
        read: readDuration,
      },
      ...FILE_OPTIONS,
      ...OBJECT_OPTIONS,
      ...DELETE_OPTIONS,
      PIPELINE_OPTION,
      AFTER_OPTION,
    ],
    settings: [...BUCKET_SETTINGS],
    examples: [
      { says: "Follow a folder", line: "register /srv/photos s3://my-bucket --id photos" },
      { says: "Every night at three", line: "register /srv/photos s3://my-bucket --id photos --schedule '0 3 * * *'" },
      { says: "And take away what is sent", line: "register /srv/out s3://my-bucket --after-upload move:/srv/sent" },
    ],
    load: () => import("../commands/register.ts"),
  },
];

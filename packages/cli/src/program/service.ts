import { BUCKET_SETTINGS, type CommandDefinition, TRANSFER_SETTINGS } from "./define.ts";

export const SERVICE_COMMANDS: readonly CommandDefinition[] = [
  {
    name: "monitor",
    group: "Service",
    summary: "run the service: follow every registered folder",
    description:
      "Runs until it is stopped. The first Ctrl-C or SIGTERM lets what is in flight finish, the second stops at once.",
    settings: [
      ...TRANSFER_SETTINGS,
      ...(["monitorInterval", "stabilityThreshold", "requeueFailedAfter", "host", "roots"] as const),
      ...BUCKET_SETTINGS,
    ],
    examples: [
      { says: "With the ledger of the configuration", line: "monitor" },
      { says: "Look every five minutes", line: "monitor --monitor-interval 5m" },
    ],
    load: () => import("../commands/monitor.ts"),
  },
  {
    name: "serve",
    group: "Service",
    summary: "run the service with its HTTP API and dashboard",
    settings: [
      ...(["listenHost", "listenPort", "httpPrefix", "roots", "buckets"] as const),
      ...(["allowedHosts", "tokensFile", "webhooksFile"] as const),
      ...TRANSFER_SETTINGS,
      ...(["monitorInterval", "stabilityThreshold", "requeueFailedAfter", "host"] as const),
      ...BUCKET_SETTINGS,
    ],
    examples: [
      { says: "On this machine, for folders in /srv", line: "serve --root /srv" },
      { says: "For others, with tokens", line: "serve --root /srv --host 0.0.0.0 --tokens-file tokens.json" },
    ],
    load: () => import("../commands/serve.ts"),
  },
  {
    name: "doctor",
    group: "Set up",
    summary: "check Node.js, configuration, ledger, credentials and bucket, and say what to do",
    operands: [{ name: "destination", summary: "s3://BUCKET or s3://BUCKET/PREFIX to check", isOptional: true }],
    description:
      "Each finding says what to do about it. A bucket is checked with small objects in a prefix of its own, which are removed\n" +
      "again, however it ends; what the store can do is kept as its profile, which all other commands follow.",
    options: [
      {
        flags: "--quick",
        summary: "write nothing, neither into the bucket nor beside the ledger, and keep no profile",
      },
    ],
    settings: [...BUCKET_SETTINGS],
    examples: [
      { says: "This machine and the ledger", line: "doctor" },
      { says: "And a bucket", line: "doctor s3://my-bucket" },
      { says: "Whether the bucket can be reached, and nothing more", line: "doctor s3://my-bucket --quick" },
    ],
    load: () => import("../commands/doctor.ts"),
  },
  {
    name: "decrypt",
    group: "Set up",
    summary: "decrypt a file that a pipeline has encrypted",
    description:
      "The file appears under its name only when all of it is authenticated, and replaces none. With - as target the bytes go to\n" +
      "standard output as they are authenticated: nothing of them may be trusted before the exit code is 0. Without --key-file\n" +
      "the keys of bucketline.yaml are tried.",
    operands: [
      { name: "from", summary: "the encrypted file, or - for standard input" },
      { name: "to", summary: "where to put it, or - for standard output" },
    ],
    options: [
      { flags: "--key-file <file>", isRepeated: true, summary: "file with a key" },
      {
        flags: "--key-id <id>",
        isRepeated: true,
        summary: "id of each key, in the same order (default: the file's name without its ending)",
      },
      {
        flags: "--context <name=value>",
        isRepeated: true,
        summary: "refuse a file that is not bound to this",
      },
      { flags: "--force", summary: "replace a file that is there" },
    ],
    examples: [
      { says: "With a key", line: "decrypt report.pdf.enc report.pdf --key-file 2026-01.key" },
      { says: "With the keys of bucketline.yaml", line: "decrypt report.pdf.enc report.pdf" },
      { says: "From standard input", line: "decrypt - archive.tar --key-file k.key --key-id 2026-01" },
    ],
    load: () => import("../commands/decrypt.ts"),
  },
  {
    name: "config",
    group: "Set up",
    summary: "show every setting, its value and where it comes from",
    options: [
      { flags: "--schema", summary: "print the JSON Schema of bucketline.yaml, for editors" },
      { flags: "--table", summary: "print the table of all settings, in Markdown" },
    ],
    examples: [
      { says: "What is in force here", line: "config" },
      { says: "What a file would change", line: "config --config other.yaml" },
      { says: "For an editor", line: "config --schema > bucketline.schema.json" },
    ],
    load: () => import("../commands/config.ts"),
  },
  {
    name: "completion",
    group: "Set up",
    summary: "print the completion script of a shell",
    operands: [{ name: "shell", summary: "bash, zsh or fish", choices: ["bash", "zsh", "fish"] }],
    examples: [
      { says: "bash, in ~/.bashrc", line: "completion bash > ~/.local/share/bash-completion/completions/bucketline" },
      { says: "zsh", line: "completion zsh > ~/.zfunc/_bucketline" },
      { says: "fish", line: "completion fish > ~/.config/fish/completions/bucketline.fish" },
    ],
    load: () => import("../commands/completion.ts"),
  },
];

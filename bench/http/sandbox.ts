import { type ClientConfig, type Sandbox, startSandbox } from "@bucketline/s3-sandbox";
import { answer } from "./child.ts";

let sandbox: Sandbox | undefined;

const answers = {
  async start(bucket: string): Promise<ClientConfig> {
    sandbox = await startSandbox({ buckets: [bucket], requestLimit: 1000 });
    return sandbox.clientConfig;
  },
};

export type SandboxAnswers = typeof answers;

answer(answers, () => sandbox?.close());

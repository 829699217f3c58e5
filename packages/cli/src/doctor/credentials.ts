import type { S3Client } from "@aws-sdk/client-s3";
import { connectionOf } from "../assembly/objects.ts";
import { printable } from "../output/printable.ts";
import { duration, moment } from "../output/quantities.ts";
import { type Check, type Discovery, type Examination, ok, problem, reasonOf, warning } from "./finding.ts";

/** What is read of credentials: never the keys themselves. */
export interface FoundCredentials {
  readonly isTemporary: boolean;
  readonly expiration: Date | undefined;
  /** Marks that the SDK's providers leave, such as `CREDENTIALS_ENV_VARS`. */
  readonly marks: readonly string[];
}

const DEADLINE_MS = 20_000;

export const credentialsCheck: Check<Examination> = {
  name: "credentials",
  async run({ config, signal }) {
    const { createS3Client } = await import("@bucketline/core/s3");
    // Without a region the SDK would complain about that instead.
    const connection = connectionOf(config);
    const client = createS3Client({ ...connection, region: connection.region ?? "us-east-1" });
    try {
      return [assessCredentials(await find(client, signal), Date.now())];
    } catch (error) {
      signal.throwIfAborted();
      const remedy =
        "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, name a profile with AWS_PROFILE, or give the machine a role.";
      return [problem(`No credentials were found: ${printable(reasonOf(error))}`, remedy)];
    } finally {
      client.destroy();
    }
  },
};

async function find(client: S3Client, signal: AbortSignal): Promise<FoundCredentials> {
  const found = await Promise.race([
    client.config.credentials(),
    failure(AbortSignal.any([signal, AbortSignal.timeout(DEADLINE_MS)])),
  ]);
  const marks = "$source" in found && typeof found.$source === "object" ? Object.keys(found.$source ?? {}) : [];
  return { isTemporary: found.sessionToken !== undefined, expiration: found.expiration, marks };
}

function failure(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}

/** By the marks of the SDK, the most telling first. */
const KINDS: readonly (readonly [RegExp, string])[] = [
  [/SSO/, "single sign-on"],
  [/WEB_ID/, "a role by web identity"],
  [/ASSUME_ROLE/, "an assumed role"],
  [/IMDS/, "the role of the instance"],
  [/HTTP/, "the role of the container"],
  [/PROCESS/, "a credential process"],
  [/ENV_VARS/, "the environment"],
  [/PROFILE/, "the shared AWS files"],
  [/CODE/, "bucketline.yaml"],
];

export function assessCredentials({ isTemporary, expiration, marks }: FoundCredentials, now: number): Discovery {
  const source = KINDS.find(([pattern]) => marks.some((mark) => pattern.test(mark)))?.[1] ?? "the AWS SDK's chain";
  const kind = isTemporary ? "Temporary credentials" : "Long-term credentials";
  const left = expiration === undefined ? undefined : (expiration.getTime() - now) / 1_000;
  const facts = {
    source,
    kind: isTemporary ? "temporary" : "long-term",
    expires_at: expiration?.toISOString() ?? null,
  };
  if (left !== undefined && left <= 0)
    return problem(`${kind} of ${source} have expired.`, "Renew them (aws sso login, or a new session token).", facts);
  if (left === undefined && isTemporary)
    return warning(
      `${kind} of ${source}; when they expire is not known.`,
      "Have them renewed from outside: a service that runs longer than they last will wait for new ones.",
      facts,
    );
  if (left === undefined) return ok(`${kind} from ${source}.`, facts);
  return ok(`${kind} from ${source}, until ${moment(now + left * 1_000)} (${duration(left)}).`, facts);
}

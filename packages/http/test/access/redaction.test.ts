import { expect, test } from "vitest";
import { recordedLog } from "../support/log.ts";

test("loggers that log whole requests leave credentials out", () => {
  const { logger, lines } = recordedLog();
  const headers = {
    host: "localhost",
    authorization: "Bearer secret-1",
    cookie: "bucketline_session=secret-2",
    "set-cookie": "bucketline_session=secret-3",
    "proxy-authorization": "Basic secret-4",
    "x-api-key": "secret-5",
  };
  logger.info({ req: { headers, body: { token: "secret-6" } } }, "request");
  logger.info({ res: { headers } }, "response");
  logger.info({ request: { headers }, body: { token: "secret-7" } }, "else");
  logger.info({ headers }, "bare");
  expect(lines()).toHaveLength(4);
  for (const line of lines()) {
    expect(line).not.toContain("secret-");
    expect(line).toContain("[redacted]");
    expect(line).toContain("localhost");
  }
});

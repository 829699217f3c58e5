import { IncomingMessage, ServerResponse } from "node:http";
import { Socket } from "node:net";
import { expect, test } from "vitest";
import { disconnected } from "../src/disconnect.ts";

test("a client that is gone before anybody asks is gone", async () => {
  const raw = new ServerResponse(new IncomingMessage(new Socket()));
  expect(disconnected({ raw }).aborted).toBe(false);
  raw.destroy();
  expect(disconnected({ raw }).aborted).toBe(true);
});

import { request } from "node:http";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { Bed } from "../support/bed.ts";
import { hosted } from "../support/host.ts";

let bed: Bed;
afterEach(async () => await bed.close());

test("without auth, callers of a Unix socket are local", async () => {
  bed = await Bed.open();
  const app = await hosted({ service: bed.service });
  const socketPath = join(bed.root, "socket");
  await app.listen({ path: socketPath });
  const status = await new Promise((resolve, reject) => {
    const call = request({ socketPath, path: "/uploads", headers: { host: "localhost" } }, (response) => {
      response.resume();
      resolve(response.statusCode);
    });
    call.on("error", reject).end();
  });
  expect(status).toBe(200);
  await app.close();
});

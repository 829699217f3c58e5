import { once } from "node:events";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { UploadService } from "@bucketline/core";
import { createRequestListener } from "@bucketline/http";
import express from "express";
import { LogIns, type Person } from "./people.ts";

const PREFIX = "/uploads-admin";

export interface Shop {
  readonly url: string;
  close(): Promise<void>;
}

/** An Express app with a log-in of its own and, below a path, the API and dashboard of uploads for the people it knows. */
export async function openShop(service: UploadService, people: readonly Person[], port: number): Promise<Shop> {
  const logIns = new LogIns(people);
  const uploads = await createRequestListener({
    service,
    prefix: PREFIX,
    auth: { authenticate: ({ headers }) => logIns.whoIs(headers) },
  });

  const app = express();
  app.disable("x-powered-by");
  // Before any parser of bodies: uploads has its own. Who has not logged in is sent to where that is done.
  app.use(PREFIX, (request, response) => {
    if (!logIns.whoIs(request.headers) && request.accepts(["json", "html"]) === "html") response.redirect("/log-in");
    else uploads.listener(request, response);
  });
  app.use(express.urlencoded());
  addRoutesOfTheShop(app, logIns);

  await service.start();
  const server = app.listen(port, "127.0.0.1");
  await once(server, "listening");
  return { url: urlOf(server), close: () => close(server, uploads, service) };
}

function addRoutesOfTheShop(app: express.Express, logIns: LogIns): void {
  app.get("/", (_request, response) => void response.json({ shop: "open" }));
  app.get("/orders", (request, response) => {
    const person = logIns.whoIs(request.headers);
    if (person) response.json({ orders: [], of: person.name });
    else response.status(401).json({ error: "Who are you?" });
  });
  app.get("/log-in", (_request, response) => void response.type("html").send(LOG_IN));
  app.post("/log-in", (request, response) => {
    const { name = "", password = "" } = request.body as Record<string, string | undefined>;
    const cookie = logIns.logIn(name, password);
    if (cookie === undefined) response.status(401).type("html").send(LOG_IN);
    else response.setHeader("set-cookie", cookie).redirect(303, `${PREFIX}/`);
  });
  app.post("/log-out", (request, response) => {
    logIns.logOut(request.headers);
    response.redirect(303, "/");
  });
}

const LOG_IN = `<!doctype html>
<title>Shop</title>
<form method="post">
<label>Name <input name="name" autocomplete="username"></label>
<label>Password <input name="password" type="password" autocomplete="current-password"></label>
<button>Log in</button>
</form>
`;

/** Event streams first, which the server would wait for; then requests in flight; then transfers and the stores. */
async function close(server: Server, uploads: { close(): Promise<void> }, service: UploadService): Promise<void> {
  await uploads.close();
  const closed = once(server, "close");
  server.close();
  await closed;
  await service.stop();
}

function urlOf(server: Server): string {
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

import { render } from "preact";
import { ApiError } from "./api/client.ts";
import { App } from "./app.tsx";
import "./state/activity.ts";
import "./state/theme.ts";
import { follow } from "./state/live.ts";
import { toast } from "./state/notify.ts";
import { loadSession } from "./state/session.ts";
import { loadUploads } from "./state/uploads.ts";

const root = document.getElementById("app");
if (!root) throw new Error("The page has no element #app.");

loadSession().catch((error: unknown) => {
  if (!(error instanceof ApiError)) throw error;
  toast("bad", error.message);
});
void loadUploads();
follow();
render(<App />, root);

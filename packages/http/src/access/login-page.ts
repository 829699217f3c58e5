import { createHash } from "node:crypto";
import { policy } from "./headers.ts";

export interface LoginPage {
  readonly html: string;
  /** Its Content-Security-Policy: what is in the page by hash, and nothing else. */
  readonly policy: string;
}

const STYLE = `
:root {
  color-scheme: light dark;
  --page: #f6f7f9; --card: #ffffff; --text: #1b1f27; --quiet: #505a6b; --line: #8a93a3;
  --accent: #1f5fd0; --on-accent: #ffffff; --bad: #b3261e;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #12151b; --card: #1c2129; --text: #e8ebf0; --quiet: #aab3c2; --line: #6b7688;
    --accent: #8ab4ff; --on-accent: #0c1322; --bad: #ff9a92;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 1rem;
  background: var(--page); color: var(--text); font: 1rem/1.5 system-ui, sans-serif;
}
main {
  width: min(26rem, 100%); padding: 2rem; border-radius: 0.75rem; background: var(--card);
  box-shadow: 0 1px 3px rgb(0 0 0 / 0.2);
}
h1 { margin: 0 0 0.25rem; font-size: 1.5rem; }
p { margin: 0 0 1.25rem; color: var(--quiet); }
label { display: block; margin-bottom: 0.375rem; font-weight: 600; }
input, button { width: 100%; padding: 0.625rem 0.75rem; border-radius: 0.5rem; font: inherit; }
input { border: 1px solid var(--line); background: var(--page); color: var(--text); }
input[aria-invalid="true"] { border-color: var(--bad); }
button {
  margin-top: 1rem; border: 0; background: var(--accent); color: var(--on-accent); font-weight: 600; cursor: pointer;
}
button[aria-disabled="true"] { opacity: 0.75; cursor: progress; }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
#problem { margin: 0.5rem 0 0; color: var(--bad); }
#problem:empty { display: none; }
`;

/**
 * A browser that followed a link from another site did not send its session's cookie (SameSite=Strict) with that, but does so from
 * here: then the page is loaded once more.
 */
const SCRIPT = `
const form = document.querySelector("form");
const input = document.querySelector("input");
const button = document.querySelector("button");
const problem = document.querySelector("#problem");
const address = form.dataset.session;

function again() {
  history.replaceState({ reloaded: true }, "");
  location.reload();
}

function tell(text) {
  problem.textContent = text;
  input.setAttribute("aria-invalid", String(text !== ""));
}

async function logIn() {
  let answer;
  try {
    answer = await fetch(address, {
      method: "POST",
      headers: { "content-type": "application/json", accept: "application/json" },
      body: JSON.stringify({ token: input.value.trim() }),
    });
  } catch {
    return tell("The service cannot be reached. Try again.");
  }
  if (answer.ok) {
    input.value = "";
    return again();
  }
  const { code, detail } = await answer.json().catch(() => ({}));
  if (code === "INVALID_REQUEST") tell("The token is not valid.");
  else tell(detail ?? "The service could not check the token. Try again.");
  input.focus();
  input.select();
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  if (button.getAttribute("aria-disabled") === "true") return;
  if (input.value.trim() === "") {
    tell("Enter a token.");
    return input.focus();
  }
  button.setAttribute("aria-disabled", "true");
  tell("");
  try {
    await logIn();
  } finally {
    button.setAttribute("aria-disabled", "false");
  }
});

if (!history.state?.reloaded) {
  fetch(address, { headers: { accept: "application/json" } }).then(
    (answer) => answer.ok && again(),
    () => {},
  );
}
`;

const POLICY = policy({
  "script-src": hashOf(SCRIPT),
  "style-src": hashOf(STYLE),
  "img-src": "data:",
  "connect-src": "'self'",
});

/**
 * The page that browsers without a session get. It needs nothing else from the service. The token goes into the body of one request
 * and nowhere else: the field has no name, so that no form can carry it, and the policy forbids forms anyway.
 * @param sessionPath of `POST /session`
 */
export function loginPage(sessionPath: string): LoginPage {
  const html = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>Log in · Bucketline</title>
<link rel="icon" href="data:,">
<style>${STYLE}</style>
</head>
<body>
<main>
<h1>Bucketline</h1>
<p>Log in with a token of this service.</p>
<form novalidate data-session="${escapeHtml(sessionPath)}">
<label for="token">Token</label>
<input id="token" type="password" autocomplete="current-password" autocapitalize="none" spellcheck="false" required autofocus aria-describedby="problem">
<div id="problem" role="alert"></div>
<button type="submit">Log in</button>
</form>
<noscript><p>Logging in needs JavaScript.</p></noscript>
</main>
<script type="module">${SCRIPT}</script>
</body>
</html>
`;
  return { html, policy: POLICY };
}

function hashOf(text: string): string {
  return `'sha256-${createHash("sha256").update(text).digest("base64")}'`;
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.codePointAt(0)};`);
}

import { signal } from "@preact/signals";

/** Milliseconds since 1970, now and then: for texts such as "5 min ago". */
export const now = signal(Date.now());

setInterval(() => {
  if (!document.hidden) now.value = Date.now();
}, 5000);
document.addEventListener("visibilitychange", () => {
  now.value = Date.now();
});

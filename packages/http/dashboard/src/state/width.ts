import { signal } from "@preact/signals";

const query = matchMedia("(max-width: 46rem)");

/** Whether rows take several lines because the page is narrow; the style sheet has the same bound. */
export const narrow = signal(query.matches);
query.addEventListener("change", () => {
  narrow.value = query.matches;
});

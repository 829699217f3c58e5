import { computed, signal } from "@preact/signals";

/** Where the page is: what stands behind the # of its address, so that it works under any prefix. */
export interface Place {
  readonly path: readonly string[];
  readonly query: URLSearchParams;
}

const hash = signal(location.hash);
addEventListener("hashchange", () => {
  hash.value = location.hash;
});

export const place = computed<Place>(() => parse(hash.value));

function parse(text: string): Place {
  const [path = "", query = ""] = text.replace(/^#/, "").split(/\?(.*)/s);
  return { path: path.split("/").filter(Boolean).map(decoded), query: new URLSearchParams(query) };
}

function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}

export type Query = Readonly<Record<string, string | null>>;

/** Address of a place, for links. */
export function href(path: readonly string[], query: Query = {}): string {
  const kept = Object.entries(query).filter((entry): entry is [string, string] => Boolean(entry[1]));
  const search = new URLSearchParams(kept).toString();
  return `#/${path.map(encodeURIComponent).join("/")}${search && `?${search}`}`;
}

export function go(path: readonly string[], query: Query = {}): void {
  location.hash = href(path, query);
}

/** Changes the query of the present place, without a new entry in the browser's history. */
export function refine(change: Query): void {
  const { path, query } = place.peek();
  const next = href(path, { ...Object.fromEntries(query), ...change });
  history.replaceState(null, "", next);
  hash.value = next;
}

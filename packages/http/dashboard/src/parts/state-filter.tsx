import type { JSX } from "preact";
import { count, words } from "../text/format.ts";

interface StateFilterProps<State extends string> {
  readonly states: readonly State[];
  readonly counts: Readonly<Record<string, number | undefined>>;
  /** Null: all. */
  readonly value: State | null;
  readonly onPick: (state: State | null) => void;
}

/** States to choose from: those there are, and the one that is chosen. */
export function StateFilter<State extends string>(props: StateFilterProps<State>): JSX.Element {
  const { states, counts, value, onPick } = props;
  const offered = states.filter((state) => state === value || counts[state] !== 0);
  return (
    // biome-ignore lint/a11y/useSemanticElements: a fieldset brings a look of its own
    <div class="filter" role="group" aria-label="Filter by state">
      <button type="button" aria-pressed={value === null} onClick={() => onPick(null)}>
        All
      </button>
      {offered.map((state) => (
        <button key={state} type="button" aria-pressed={value === state} onClick={() => onPick(state)}>
          {words(state)}
          {counts[state] !== undefined && <span class="filter-count">{count(counts[state])}</span>}
        </button>
      ))}
    </div>
  );
}

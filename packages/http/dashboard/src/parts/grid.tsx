import { useSignal } from "@preact/signals";
import type { ComponentChildren, JSX } from "preact";
import { useCallback, useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { narrow } from "../state/width.ts";

interface GridProps {
  readonly label: string;
  /** Names the columns in the style sheet. */
  readonly kind: string;
  readonly columns: readonly string[];
  /** Rows that can be scrolled to. */
  readonly count: number;
  /** Rows there are in all; null: nobody knows. */
  readonly total: number | null;
  /** Pixels, on wide and on narrow pages. */
  readonly height: readonly [wide: number, narrow: number];
  /** Changes with the content of rows. */
  readonly version: unknown;
  /** The cells of a row, as many as there are columns. */
  readonly cells: (index: number) => readonly ComponentChildren[];
  readonly onOpen: (index: number) => void;
  /** Rows that are on the screen now, `last` not included. */
  readonly onShow?: (first: number, last: number) => void;
}

/** Rows beyond the edges of the screen that are made all the same. */
const SPARE = 6;

/**
 * A table that is scrolled with the page and only has the rows that fit on the screen, however many there are. One row can
 * be reached with Tab, the others with the arrow keys from there; Enter opens.
 */
export function Grid(props: GridProps): JSX.Element {
  const { label, kind, columns, count, total, onOpen } = props;
  const height = narrow.value ? props.height[1] : props.height[0];
  const body = useRef<HTMLDivElement>(null);
  const { first, last } = useShown(body, count, height, props.onShow);
  const { active, onKeyDown, onFocusRow } = useRoving(body, count, height, onOpen);
  // The range is measured after the rows are there: there may be fewer by now.
  const end = Math.min(last, count);
  const rows = Array.from({ length: Math.max(0, end - first) }, (_, at) => first + at);
  // The row that has the focus stays, or the keyboard would lose its place.
  if (active < count && (active < first || active >= end)) rows.push(active);
  return (
    // biome-ignore lint/a11y/useSemanticElements: rows of a table element cannot be placed one by one
    <div
      role="grid"
      class={`grid grid-${kind}`}
      aria-label={label}
      aria-rowcount={total === null ? -1 : total + 1}
      aria-readonly="true"
    >
      {/* biome-ignore lint/a11y/useSemanticElements: as above */}
      <div role="rowgroup" class="grid-head">
        {/* biome-ignore lint/a11y/useSemanticElements: as above */}
        {/* biome-ignore lint/a11y/useFocusableInteractive: nothing can be done with it */}
        <div role="row" class="grid-row" aria-rowindex={1}>
          {columns.map((column) => (
            // biome-ignore lint/a11y/useFocusableInteractive: nothing can be done with it
            // biome-ignore lint/a11y/useSemanticElements: as above
            <span key={column} role="columnheader">
              {column}
            </span>
          ))}
        </div>
      </div>
      {/* biome-ignore lint/a11y/useSemanticElements: as above */}
      <div role="rowgroup" class="grid-body" ref={body} onKeyDown={onKeyDown} style={{ height: `${count * height}px` }}>
        {rows.map((index) => (
          // biome-ignore lint/a11y/useSemanticElements: as above
          // biome-ignore lint/a11y/useKeyWithClickEvents: keys are handled for all rows
          <div
            key={index}
            role="row"
            class="grid-row"
            data-index={index}
            aria-rowindex={index + 2}
            tabIndex={index === Math.min(active, count - 1) ? 0 : -1}
            style={{ top: `${index * height}px`, height: `${height}px` }}
            onFocus={() => onFocusRow(index)}
            onClick={(event) => {
              // Text can be selected without opening the row.
              if (!getSelection()?.toString() && !(event.target as Element).closest("a, button")) onOpen(index);
            }}
          >
            {props.cells(index).map((cell, at) => (
              // biome-ignore lint/a11y/useFocusableInteractive: the row is
              // biome-ignore lint/a11y/useSemanticElements: as above
              <div key={columns[at]} role="gridcell" class={`cell cell-${at}`}>
                {cell}
              </div>
            ))}
          </div>
        ))}
      </div>
    </div>
  );
}

type Ref = { readonly current: HTMLDivElement | null };

function useShown(body: Ref, count: number, height: number, onShow: GridProps["onShow"]) {
  const range = useSignal({ first: 0, last: Math.min(count, 40) });
  const measure = useCallback(() => {
    const top = body.current?.getBoundingClientRect().top ?? 0;
    const first = Math.min(count, Math.max(0, Math.floor(-top / height) - SPARE));
    const last = Math.min(count, Math.max(0, Math.ceil((innerHeight - top) / height) + SPARE));
    const { first: oldFirst, last: oldLast } = range.peek();
    if (first !== oldFirst || last !== oldLast) range.value = { first, last };
    onShow?.(first, last);
  }, [count, height, onShow]);
  useLayoutEffect(measure);
  useEffect(() => {
    const observer = new ResizeObserver(measure);
    observer.observe(document.body);
    addEventListener("scroll", measure, { passive: true });
    addEventListener("resize", measure);
    return () => {
      observer.disconnect();
      removeEventListener("scroll", measure);
      removeEventListener("resize", measure);
    };
  }, [measure]);
  return range.value;
}

function useRoving(body: Ref, count: number, height: number, onOpen: (index: number) => void) {
  const active = useSignal(0);
  const wanted = useRef(false);
  useLayoutEffect(() => {
    if (!wanted.current) return;
    const row = body.current?.querySelector<HTMLElement>(`[data-index="${active.value}"]`);
    if (!row) return;
    wanted.current = false;
    row.focus({ preventScroll: true });
    row.scrollIntoView({ block: "nearest" });
  });
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.altKey || event.ctrlKey || event.metaKey || !(event.target instanceof HTMLElement)) return;
    if (event.target.role !== "row") return;
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      onOpen(active.peek());
      return;
    }
    const next = moved(event.key, active.peek(), count, Math.max(1, Math.floor(innerHeight / height) - 4));
    if (next === undefined) return;
    event.preventDefault();
    wanted.current = true;
    active.value = next;
  };
  const onFocusRow = (index: number) => {
    active.value = index;
  };
  return { active: active.value, onKeyDown, onFocusRow };
}

function moved(key: string, from: number, count: number, page: number): number | undefined {
  const steps: Readonly<Record<string, number>> = {
    ArrowDown: from + 1,
    ArrowUp: from - 1,
    PageDown: from + page,
    PageUp: from - page,
    Home: 0,
    End: count - 1,
  };
  const to = steps[key];
  return to === undefined ? undefined : Math.min(count - 1, Math.max(0, to));
}

import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { Icon } from "./icon.tsx";

const PAUSE_MS = 200;

/** Tells what is searched for when somebody pauses typing. */
export function Search(props: { label: string; value: string; onInput: (text: string) => void }): JSX.Element {
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => {
    // Set from elsewhere: by the address, or a button that clears it.
    if (input.current && document.activeElement !== input.current) input.current.value = props.value;
  }, [props.value]);
  useEffect(() => () => clearTimeout(timer.current), []);
  return (
    <label class="search">
      <Icon name="scan" />
      <input
        ref={input}
        type="search"
        aria-label={props.label}
        placeholder={props.label}
        defaultValue={props.value}
        spellcheck={false}
        onInput={(event) => {
          const text = event.currentTarget.value.trim();
          clearTimeout(timer.current);
          timer.current = setTimeout(() => props.onInput(text), PAUSE_MS);
        }}
      />
    </label>
  );
}

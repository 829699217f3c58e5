import type { ComponentChildren, JSX } from "preact";
import { useId, useLayoutEffect, useRef } from "preact/hooks";
import { Icon } from "./icon.tsx";

interface DialogProps {
  readonly title: ComponentChildren;
  readonly onClose: () => void;
  readonly children: ComponentChildren;
  /** `drawer`: at the side of the page, as high as it is. */
  readonly shape?: "box" | "drawer";
  /** What has the focus first. Default: the first that can have it. */
  readonly focus?: { readonly current: HTMLElement | null };
}

/** Modal: the browser keeps the focus inside, closes it on Escape, and gives the focus back to where it was. */
export function Dialog({ title, onClose, children, shape = "box", focus }: DialogProps): JSX.Element {
  const ref = useRef<HTMLDialogElement>(null);
  const heading = useId();
  useLayoutEffect(() => {
    const dialog = ref.current;
    dialog?.showModal();
    focus?.current?.focus();
    return () => dialog?.close();
  }, []);
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: Escape closes it, too
    <dialog
      ref={ref}
      class={`dialog dialog-${shape}`}
      aria-labelledby={heading}
      onClose={onClose}
      onClick={(event) => {
        // The backdrop is the dialog itself; everything else is inside of it.
        if (event.target === ref.current) ref.current?.close();
      }}
    >
      <div class="dialog-body">
        <header class="dialog-head">
          <h2 id={heading}>{title}</h2>
          <button type="button" class="button button-plain" aria-label="Close" onClick={() => ref.current?.close()}>
            <Icon name="ended" />
          </button>
        </header>
        {children}
      </div>
    </dialog>
  );
}

interface ConfirmProps {
  readonly title: string;
  readonly children: ComponentChildren;
  readonly action: string;
  readonly onConfirm: () => void;
  readonly onClose: () => void;
}

/** Asks before something that cannot be taken back. The safe answer has the focus. */
export function Confirm({ title, children, action, onConfirm, onClose }: ConfirmProps): JSX.Element {
  const safe = useRef<HTMLButtonElement>(null);
  return (
    <Dialog title={title} onClose={onClose} focus={safe}>
      <div class="prose">{children}</div>
      <div class="dialog-foot">
        <button ref={safe} type="button" class="button" onClick={onClose}>
          Keep it
        </button>
        <button
          type="button"
          class="button button-danger"
          onClick={() => {
            onConfirm();
            onClose();
          }}
        >
          {action}
        </button>
      </div>
    </Dialog>
  );
}

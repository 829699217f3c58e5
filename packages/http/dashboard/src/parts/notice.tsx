import type { ComponentChildren, JSX } from "preact";
import { ApiError } from "../api/client.ts";
import type { Reason } from "../api/types.ts";
import { Inert } from "../text/inert.tsx";
import { Icon, type IconName } from "./icon.tsx";

/** Nothing to show, and what to do about it. */
export function Empty(props: { icon: IconName; title: string; children?: ComponentChildren }): JSX.Element {
  return (
    <div class="empty">
      <Icon name={props.icon} size={28} />
      <h2>{props.title}</h2>
      {props.children}
    </div>
  );
}

/** Something went wrong. */
export function Trouble({ error, again }: { error: Error; again?: () => void }): JSX.Element {
  return (
    <div class="trouble" role="alert">
      <Icon name="bad" />
      <div>
        <p>
          <Inert text={error.message} />
        </p>
        {error instanceof ApiError && error.remedy !== error.message && <p class="quiet">{error.remedy}</p>}
      </div>
      {again && (
        <button type="button" class="button" onClick={again}>
          Try again
        </button>
      )}
    </div>
  );
}

/** Why something is as it is: its stable code, and the sentence. */
export function ReasonText({ reason }: { reason: Reason }): JSX.Element {
  return (
    <span class="reason">
      <code>{reason.code}</code> <Inert text={reason.message} />
    </span>
  );
}

export function Waiting({ what }: { what: string }): JSX.Element {
  return (
    <p class="waiting" role="status">
      <span class="spinner" aria-hidden="true" />
      {what}
    </p>
  );
}

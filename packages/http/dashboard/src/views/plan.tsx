import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import type { Plan } from "../api/types.ts";
import { ReasonText } from "../parts/notice.tsx";
import { bytes, count, counted } from "../text/format.ts";
import { Inert, Path } from "../text/inert.tsx";

type Action = keyof Plan["totals"]["actions"];

const ACTIONS: readonly (readonly [Action, tone: string, name: string])[] = [
  ["upload", "active", "Sent"],
  ["replace", "active", "Replaced"],
  ["compare", "calm", "Compared"],
  ["unchanged", "calm", "Unchanged"],
  ["skip", "calm", "Skipped"],
  ["settle", "calm", "In flight"],
  ["remove", "calm", "Gone, object kept"],
  ["delete", "bad", "Object deleted"],
  ["failed", "bad", "Stays failed"],
  ["unreadable", "bad", "Unreadable"],
];
const NAMES = new Map(ACTIONS.map(([action, tone, name]) => [action, { tone, name }]));

/** What a scan would do. Nothing has been done. */
export function PlanResult({ plan }: { plan: Plan }): JSX.Element {
  const { totals, items, truncated } = plan;
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => heading.current?.focus(), [plan]);
  const seen = ACTIONS.filter(([action]) => totals.actions[action].files > 0);
  return (
    <section class="panel plan" aria-labelledby="plan">
      <h2 id="plan" ref={heading} tabIndex={-1}>
        What would happen
      </h2>
      {seen.length === 0 && <p>No file matches. The upload would wait for the first one.</p>}
      <dl class="figures">
        {seen.map(([action, tone, name]) => (
          <div key={action}>
            <dt>{name}</dt>
            <dd class={`number text-${tone}`}>
              {counted(totals.actions[action].files, "file")}{" "}
              <span class="quiet">{bytes(totals.actions[action].bytes)}</span>
            </dd>
          </div>
        ))}
      </dl>
      {!totals.complete && <p class="remark">Not everything could be read.</p>}
      {[totals.doubt, totals.deletes_held].map((reason) => reason && <ReasonText key={reason.code} reason={reason} />)}
      {items.length > 0 && <Items items={items} />}
      {truncated && <p class="quiet">The first {count(items.length)} files; the figures are of all.</p>}
    </section>
  );
}

function Items({ items }: { items: Plan["items"] }): JSX.Element {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable with the keyboard
    <section class="plan-items" aria-label="Files" tabIndex={0}>
      <table>
        <thead>
          <tr>
            <th scope="col">Path</th>
            <th scope="col">Would be</th>
            <th scope="col" class="numeric">
              Size
            </th>
            <th scope="col">Key</th>
          </tr>
        </thead>
        <tbody>
          {items.map((item) => (
            <tr key={item.path}>
              <td>
                <Path text={item.path} />
              </td>
              <td class={`text-${NAMES.get(item.action)?.tone}`} title={item.reason?.message}>
                {NAMES.get(item.action)?.name}
              </td>
              <td class="numeric number">{bytes(item.size)}</td>
              <td>
                {item.reason ? (
                  <ReasonText reason={item.reason} />
                ) : (
                  item.key !== null && <Inert class="mono" text={item.key} />
                )}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

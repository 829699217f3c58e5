/** `read` sees everything but changes nothing; `admin` may do everything. */
export const SCOPES = ["read", "admin"] as const;
/** What a caller may do; see `SCOPES`. */
export type Scope = (typeof SCOPES)[number];

/** What a route asks of its caller; `open`: nothing. A route that says nothing asks for `admin`. */
export type RouteScope = Scope | "open";

/**
 * What a route's answers may load and run in a browser; see `headers.ts`. A route that says nothing serves data only, and
 * a browser runs nothing of it.
 */
export type Page = "dashboard" | "swagger" | "redoc";

/** Whoever calls. */
export interface Principal {
  /** Name of the token, subject of the JWT, or as the host says; for logs. Never the credential itself. */
  readonly name: string;
  readonly scopes: readonly Scope[];
  /** When the credential ends, in milliseconds since 1970; null: never. */
  readonly expiresAt: number | null;
}

/** Whether the caller may use a route of this scope. */
export function allows(principal: Principal, scope: RouteScope): boolean {
  return scope === "open" || principal.scopes.includes(scope) || principal.scopes.includes("admin");
}

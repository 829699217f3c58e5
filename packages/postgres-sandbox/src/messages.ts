export interface Command {
  readonly id: number;
  readonly command: "create" | "restart" | "kill" | "stop";
}

export type Reply =
  | { readonly id: number; readonly port: number; readonly pid: number }
  | { readonly id: number; readonly error: string };

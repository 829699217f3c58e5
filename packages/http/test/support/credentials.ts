import { type AuthOptions, hashToken } from "../../src/index.ts";

/** Known texts, to be looked for where they must not be. */
export const ADMIN = "admin-token-7f3b1c";
export const READER = "reader-token-90ad44";
export const WRONG = "wrong-token-5501ee";

export const AUTH: AuthOptions = {
  tokens: [
    { name: "ops", sha256: hashToken(ADMIN), scopes: ["admin"] },
    { name: "viewer", sha256: hashToken(READER), scopes: ["read"] },
  ],
};

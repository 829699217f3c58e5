import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export interface Certificate {
  readonly key: string;
  readonly cert: string;
  /** File with the authority that clients are to trust. */
  readonly caFile: string;
}

/** An authority of one day and a certificate of its for this machine's own address. @throws Error without openssl */
export function makeCertificate(folder: string): Certificate {
  const file = (name: string) => join(folder, name);
  const subject = (name: string) => ["-subj", `/CN=${name}`, "-days", "1"];
  const newKey = (name: string) => ["-newkey", "rsa:2048", "-nodes", "-keyout", file(name)];
  writeFileSync(file("server.cnf"), "subjectAltName=IP:127.0.0.1,DNS:localhost\n");
  openssl(["req", "-x509", ...newKey("ca.key"), "-out", file("ca.pem"), ...subject("Benchmark CA")]);
  openssl(["req", "-new", ...newKey("server.key"), "-out", file("server.csr"), "-subj", "/CN=localhost"]);
  const authority = ["-CA", file("ca.pem"), "-CAkey", file("ca.key"), "-CAcreateserial"];
  const extensions = ["-extfile", file("server.cnf"), "-days", "1"];
  openssl(["x509", "-req", "-in", file("server.csr"), ...authority, "-out", file("server.pem"), ...extensions]);
  const [key, cert] = [readFileSync(file("server.key"), "utf8"), readFileSync(file("server.pem"), "utf8")];
  return { key, cert, caFile: file("ca.pem") };
}

function openssl(args: readonly string[]): void {
  const { status, error, stderr } = spawnSync("openssl", args, { encoding: "utf8" });
  if (error) throw new Error("openssl is not installed");
  if (status !== 0) throw new Error(`openssl ${args[0]} failed: ${stderr}`);
}

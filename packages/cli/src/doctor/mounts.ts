import { readFile } from "node:fs/promises";

export interface Mount {
  readonly path: string;
  /** As the kernel calls it: `ext4`, `nfs4`, `fuse.sshfs`. */
  readonly type: string;
}

/** The file systems of this process; none where the system does not tell. Source: man page proc_pid_mountinfo(5). */
export async function readMounts(): Promise<Mount[]> {
  return parseMounts(await readFile("/proc/self/mountinfo", "utf8").catch(() => ""));
}

export function parseMounts(text: string): Mount[] {
  return text.split("\n").flatMap((line) => {
    const [before = "", after] = line.split(" - ");
    const path = before.split(" ")[4];
    const type = after?.split(" ")[0];
    if (path === undefined || !type) return [];
    const plain = path.replace(/\\([0-7]{3})/g, (_, octal) => String.fromCharCode(Number.parseInt(octal, 8)));
    return [{ path: plain, type }];
  });
}

/** The mount that a path lies on: the deepest, and of several on one point the last, which covers the others. */
export function mountOf(mounts: readonly Mount[], path: string): Mount | undefined {
  const holds = ({ path: folder }: Mount) => folder === "/" || path === folder || path.startsWith(`${folder}/`);
  return mounts
    .filter(holds)
    .sort((a, b) => a.path.length - b.path.length)
    .at(-1);
}

const OVER_NETWORK =
  /^(nfs4?|cifs|smb3|smbfs|ncpfs|9p|afs|coda|ceph|lustre|beegfs|gpfs|virtiofs|vboxsf|fuse\.(sshfs|glusterfs|rclone|s3fs|goofys|mount-s3|cephfs|mergerfs))$/;

/** Whether other machines, or the host of this one, may write the same files: locks and shared memory do not reach them. */
export function isOverNetwork({ type }: Mount): boolean {
  return OVER_NETWORK.test(type);
}

/** Whether what lies there is gone after a restart of the machine. */
export function isVolatile({ type }: Mount): boolean {
  return type === "tmpfs" || type === "ramfs";
}

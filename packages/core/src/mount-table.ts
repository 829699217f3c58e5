export interface Mount {
  readonly path: string;
  /** As the kernel calls it: `ext4`, `nfs4`, `fuse.sshfs`. */
  readonly type: string;
}

/**
 * Reads `/proc/self/mountinfo`: the mount point is the 5th field, and the type the first one after the lone hyphen.
 * Source: man page proc_pid_mountinfo(5).
 */
export function parseMounts(text: string): Mount[] {
  return text.split("\n").flatMap((line) => {
    const fields = line.split(" ");
    const hyphen = fields.indexOf("-", 6);
    const path = fields[4];
    const type = fields[hyphen + 1];
    if (hyphen < 0 || path === undefined || type === undefined) return [];
    return [
      { path: path.replace(/\\([0-7]{3})/g, (_, octal) => String.fromCharCode(Number.parseInt(octal, 8))), type },
    ];
  });
}

/** The mount that a path lies on: the deepest, and of several on one point the last, which covers the others. */
export function mountOf(mounts: readonly Mount[], path: string): Mount | undefined {
  let found: Mount | undefined;
  for (const mount of mounts) {
    if (isWithin(path, mount.path) && mount.path.length >= (found?.path.length ?? 0)) found = mount;
  }
  return found;
}

export function isWithin(path: string, folder: string): boolean {
  return path === folder || folder === "/" || path.startsWith(`${folder}/`);
}

const REMOTE = new Set(
  "nfs nfs4 cifs smb3 smbfs ncpfs 9p afs coda ceph lustre beegfs gpfs gfs2 ocfs2 orangefs virtiofs vboxsf prl_fs fuse".split(
    " ",
  ),
);

/**
 * Whether others can change the files behind the kernel's back, which then sends no events: file systems of the network,
 * of a virtual machine's host, shared disks, and programs (FUSE, except those that only lay folders over each other).
 * An overlay is not remote: what is written through it is seen. Source: man page inotify(7), "Limitations and caveats".
 */
export function isRemote(type: string): boolean {
  return REMOTE.has(type) || (type.startsWith("fuse.") && type !== "fuse.fuse-overlayfs");
}

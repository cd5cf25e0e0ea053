import { mayActAsOthers } from "./privilege.ts";
import { basename, dirname, join } from "node:path";
import { Problem, reasonOf } from "./errors.ts";

export interface FileOptions {
  /** @default {0o644} */
  mode?: number | undefined;
  /** Who may read it; only the superuser can give files away, so others keep theirs. */
  owner?: Owner | undefined;
}

export interface Owner {
  uid: number;
  gid: number;
}

/**
 * Writes `path` so that a reader sees the old content or the new, never a part: a temporary file beside it, then a rename.
 * What a writer that was killed has left goes with the first write to `path`. Missing directories are made with mode 755, since
 * Envoy's user must be able to enter them.
 * @throws {Problem} the directory cannot be written
 */
export async function writeAtomically(path: string, content: string, options: FileOptions = {}): Promise<void> {
  const directory = dirname(path);
  const temporary = join(directory, `.${basename(path)}.${crypto.randomUUID()}.tmp`);
  try {
    await makeDirectory(directory, options.owner);
    sweep(path);
    const file = await Deno.open(temporary, { write: true, createNew: true, mode: 0o600 });
    try {
      const bytes = new TextEncoder().encode(content);
      for (let at = 0; at < bytes.length;) at += await file.write(bytes.subarray(at));
    } finally {
      file.close();
    }
    if (options.owner && mayActAsOthers()) await Deno.chown(temporary, options.owner.uid, options.owner.gid);
    await Deno.chmod(temporary, options.mode ?? 0o644);
    await Deno.rename(temporary, path);
  } catch (error) {
    await Deno.remove(temporary).catch(() => {});
    throw unwritable(`write ${path}`, directory, error);
  }
}

/** Paths that this process has written: their temporary files are its own. */
const swept = new Set<string>();

/** Removes temporary files of `path` that another process has left; at once, so that none of our own is there yet. */
function sweep(path: string): void {
  if (swept.has(path)) return;
  swept.add(path);
  try {
    for (const { name } of Deno.readDirSync(dirname(path))) {
      if (name.startsWith(`.${basename(path)}.`) && name.endsWith(".tmp")) Deno.removeSync(join(dirname(path), name));
    }
  } catch { /* they do no harm */ }
}

/** What a failed write in `directory` says; the paths that the runtime adds are left out. */
export function unwritable(tried: string, directory: string, error: unknown): Problem {
  const got = reasonOf(error).replace(/ \(os error \d+\).*$/s, "");
  const fix = /no space left|quota exceeded/i.test(got)
    ? `make room in ${directory}, or set MESH_BASE_DIR to a directory that has some`
    : `make ${directory} writable for user ${Deno.uid()}, or set MESH_BASE_DIR to a directory that is`;
  return new Problem({ tried, got, fix, cause: error });
}

/** Makes `directory` and its parents, each new one with mode 755 and the given owner; those that exist stay as they are. */
export async function makeDirectory(directory: string, owner?: Owner): Promise<void> {
  try {
    await Deno.mkdir(directory, { mode: 0o755 });
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) return;
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    await makeDirectory(dirname(directory), owner);
    return await makeDirectory(directory, owner);
  }
  await Deno.chmod(directory, 0o755); // whatever the umask is
  if (owner && mayActAsOthers()) await Deno.chown(directory, owner.uid, owner.gid);
}

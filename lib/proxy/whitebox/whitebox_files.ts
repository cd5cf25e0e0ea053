import { writeAtomically } from "../../base/atomic_file.ts";
import { paths, type ResourceFile } from "./files.ts";
import { type Forward } from "./forward.ts";
import { forwardFile } from "./forward_resources.ts";
import { type MeshPorts, NOTHING_LEARNT } from "./learn.ts";
import { luaFile, scopesFile } from "./routes.ts";
import type { NameScope } from "./service_names.ts";

/** What the files depend on beside the mesh. */
export interface FileOptions extends NameScope {
  /** As given to {@link whiteboxBootstrap}. */
  directory: string;
  /** As given to {@link whiteboxBootstrap}. @default {[]} */
  forwards?: readonly Forward[];
  /** @default write beside it and rename */
  writeFile?: (path: string, content: string) => Promise<void>;
}

/** Writes the files as they are before anything is known of the mesh. Call it before Envoy starts: it does not start without them. */
export async function writeInitialFiles(options: FileOptions): Promise<void> {
  const write = options.writeFile ?? writeAtomically;
  await write(paths(options.directory).scopes, scopesFile(NOTHING_LEARNT.httpPorts).content);
  for (const [path, file] of filterFiles(NOTHING_LEARNT, options)) await write(path, file.content);
}

/** The files of discovered filters, by path. */
export function filterFiles(ports: MeshPorts, options: FileOptions): Map<string, ResourceFile> {
  const { lua, forward: path } = paths(options.directory);
  return new Map([
    [lua, luaFile(ports, options)],
    ...(options.forwards ?? []).map((forward) =>
      [path(forward.localPort), forwardFile(forward, ports, options)] as const
    ),
  ]);
}

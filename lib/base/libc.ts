/** Where Linux distributions keep glibc, https://refspecs.linuxfoundation.org/fhs.shtml; the last name is left to the loader's search. */
const PLACES = [
  "/lib/x86_64-linux-gnu/libc.so.6",
  "/lib/aarch64-linux-gnu/libc.so.6",
  "/lib64/libc.so.6",
  "libc.so.6",
];

/** glibc with the given functions; `undefined` where it is not there or may not be called. Close it when done. */
export function openLibc<const S extends Deno.ForeignLibraryInterface>(symbols: S): Deno.DynamicLibrary<S> | undefined {
  if (Deno.build.os !== "linux") return undefined;
  for (const path of PLACES) {
    // asking first: a library that is not granted would make Deno ask on the terminal
    if (Deno.permissions.querySync({ name: "ffi", path }).state !== "granted") continue;
    try {
      return Deno.dlopen(path, symbols);
    } catch { /* another distribution keeps it elsewhere */ }
  }
  return undefined;
}

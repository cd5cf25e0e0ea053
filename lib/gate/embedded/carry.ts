import type { End } from "./end.ts";

/** How one direction ended: by its sender's end, because its receiver takes no more, or by a reset. */
type DirectionEnd = "ended" | "stopped" | "reset";

/** Told of every piece that was delivered. */
export interface CarryWatch {
  in(count: number): void;
  out(count: number): void;
}

/**
 * Carries bytes between two ends until both directions have ended. An end becomes an end when all bytes before it are delivered, and the
 * other direction goes on; a reset becomes a reset at once. No more is read than the other side has room for.
 *
 * @param firstRead what `mesh` is being asked for already
 * @returns true when each direction came to its end
 */
export async function carry(
  mesh: End,
  far: End,
  watch: CarryWatch,
  firstRead?: Promise<Uint8Array | null>,
): Promise<boolean> {
  const directions = await Promise.all([
    carryOneWay(mesh, far, (count) => watch.in(count), firstRead),
    carryOneWay(far, mesh, (count) => watch.out(count)),
  ]);
  const [inward, outward] = directions;
  if (inward === "stopped") await (outward === "ended" ? mesh.stop() : mesh.reset());
  if (outward === "stopped") await (inward === "ended" ? far.stop() : far.reset());
  return directions.every((end) => end === "ended");
}

async function carryOneWay(
  from: End,
  to: End,
  onBytes: (count: number) => void,
  firstRead?: Promise<Uint8Array | null>,
): Promise<DirectionEnd> {
  for (let reading = firstRead ?? from.read();; reading = from.read()) {
    let bytes: Uint8Array | null;
    try {
      bytes = await reading;
    } catch {
      to.reset();
      return "reset";
    }
    try {
      if (!bytes) {
        await to.end();
        return "ended";
      }
      const count = bytes.length;
      await to.write(bytes);
      onBytes(count);
      from.taken(count);
    } catch {
      // How `to` ended, the other direction finds out: it may have something to say before its end.
      return "stopped";
    }
  }
}

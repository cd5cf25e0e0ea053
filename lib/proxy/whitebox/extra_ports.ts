import { UsageError } from "../../base/errors.ts";

/**
 * Reads `WHITEBOX_PORTS`: ports separated by commas, for HTTP services that no listener of the sidecar shows, e.g. `8080,9090`.
 * @throws {UsageError} for anything that is not a port
 */
export function parseExtraPorts(setting: string): number[] {
  return setting.split(",").map((text) => text.trim()).filter((text) => text !== "").map((text) => {
    const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
    if (port >= 1 && port <= 65_535) return port;
    throw new UsageError({
      tried: `read ${JSON.stringify(text)} in WHITEBOX_PORTS`,
      got: "it is not a port from 1 to 65535",
      fix: "write ports separated by commas, e.g. WHITEBOX_PORTS=8080,9090",
    });
  });
}

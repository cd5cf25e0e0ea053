import type { Field } from "./static_table.ts";
import type { Http2Stream } from "./stream.ts";

/** What a connection does with its streams' header lists; a server opens streams here, a client hears answers. */
export interface ConnectionRole {
  readonly name: "server" | "client";
  /** The first header list of a stream (server), or the next of one that is open. @throws {StreamError} for a malformed one. */
  onFields(
    stream: Http2Stream,
    fields: readonly Field[],
    info: { endStream: boolean; tooLarge: boolean; opening: boolean },
  ): void;
}

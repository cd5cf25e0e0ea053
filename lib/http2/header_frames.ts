import { Flag, frame, FrameType } from "./frame.ts";
import { dataFlags } from "./stream.ts";

/** A header block as HEADERS and, where it is longer than a frame, CONTINUATION. */
export function headerFrames(
  streamId: number,
  block: Uint8Array,
  frameBytes: number,
  endStream: boolean,
): Uint8Array[] {
  const frames: Uint8Array[] = [];
  for (let at = 0; at === 0 || at < block.length; at += frameBytes) {
    const last = at + frameBytes >= block.length ? Flag.END_HEADERS : 0;
    const [type, flags] = at === 0 ? [FrameType.HEADERS, last | dataFlags(endStream)] : [FrameType.CONTINUATION, last];
    frames.push(frame(type, flags, streamId, block.subarray(at, at + frameBytes)));
  }
  return frames;
}

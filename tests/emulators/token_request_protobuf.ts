/**
 * A TokenRequest in Kubernetes' protobuf form, which kubectl and other Go clients send.
 *
 * Wire facts: https://kubernetes.io/docs/reference/using-api/api-concepts/#protobuf-encoding (the envelope),
 * k8s.io/api/authentication/v1/generated.proto (field numbers), https://protobuf.dev/programming-guides/encoding/.
 */

/** The content type of a body for {@link decodeTokenRequest}. */
export const KUBERNETES_PROTOBUF = "application/vnd.kubernetes.protobuf";

/** `k8s` and a zero byte begin every such body. */
const MAGIC = [0x6b, 0x38, 0x73, 0];

/** The same request as an object, as JSON would give it; undefined for any other bytes. */
export function decodeTokenRequest(body: Uint8Array): Record<string, unknown> | undefined {
  if (!MAGIC.every((byte, index) => body[index] === byte)) return undefined;
  try {
    const envelope = fields(body.subarray(MAGIC.length));
    const type = fields(bytesOf(envelope, 1));
    const spec = fields(bytesOf(fields(bytesOf(envelope, 2)), 2));
    const seconds = spec.find(([number]) => number === 4)?.[1];
    return {
      apiVersion: text(bytesOf(type, 1)),
      kind: text(bytesOf(type, 2)),
      spec: {
        audiences: spec.flatMap(([number, value]) => number === 1 && value instanceof Uint8Array ? [text(value)] : []),
        ...(typeof seconds === "number" ? { expirationSeconds: seconds } : {}),
      },
    };
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

/** Field number and value: a number for a varint, bytes for what has a length. */
type Field = [number, number | Uint8Array];

function fields(message: Uint8Array): Field[] {
  const found: Field[] = [];
  let at = 0;
  const varint = () => {
    // By multiplication: shifts would cut at 32 bits.
    for (let value = 0, factor = 1;; factor *= 128) {
      const byte = message[at++];
      if (byte === undefined || factor > 2 ** 63) throw new RangeError("cut off");
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
    }
  };
  while (at < message.length) {
    const tag = varint();
    const value = varint();
    if (tag % 8 === 0) {
      found.push([tag >> 3, value]);
    } else if (tag % 8 === 2 && at + value <= message.length) {
      found.push([tag >> 3, message.subarray(at, at += value)]);
    } else {
      throw new RangeError("not a message of this kind");
    }
  }
  return found;
}

function bytesOf(message: Field[], number: number): Uint8Array {
  const value = message.find((field) => field[0] === number)?.[1];
  return value instanceof Uint8Array ? value : new Uint8Array();
}

function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

import protobuf from "protobufjs";
import { CLUSTER_SCHEMA } from "./cluster_schema.ts";
import { DISCOVERY_SCHEMA } from "./discovery_schema.ts";
import { LISTENER_SCHEMA } from "./listener_schema.ts";

/** A message in Envoy's JSON form: snake case, durations as `5s`, wrapped numbers bare, `Any` as an object with `@type`. */
export type Json = null | boolean | number | string | Uint8Array | readonly Json[] | { readonly [field: string]: Json };
export type JsonObject = { readonly [field: string]: Json };

export const TYPE_URL = "type.googleapis.com/";

const WELL_KNOWN = `syntax = "proto3";
package google.protobuf;
message Any { string type_url = 1; bytes value = 2; }
message Duration { int64 seconds = 1; int32 nanos = 2; }
message UInt32Value { uint32 value = 1; }
message BoolValue { bool value = 1; }
enum NullValue { NULL_VALUE = 0; }
message Struct { map<string, Value> fields = 1; }
message Value {
  oneof kind { NullValue null_value = 1; double number_value = 2; string string_value = 3; bool bool_value = 4; Struct struct_value = 5; ListValue list_value = 6; }
}
message ListValue { repeated Value values = 1; }`;

const root = new protobuf.Root();
for (const text of [WELL_KNOWN, ...CLUSTER_SCHEMA, ...LISTENER_SCHEMA, ...DISCOVERY_SCHEMA]) {
  protobuf.parse(text, root, { keepCase: true });
}
root.resolveAll();

/**
 * The bytes of a message given in its JSON form, e.g. of `envoy.config.cluster.v3.Cluster`.
 * @throws {TypeError} a field or type that the schema does not have
 */
export function encode(typeName: string, json: JsonObject): Uint8Array<ArrayBuffer> {
  const type = root.lookupType(typeName);
  const bytes = type.encode(type.fromObject(messageOf(type, json))).finish();
  return new Uint8Array(bytes); // a copy: the library's is a view of its pool
}

/** What a message's bytes say; missing fields have their defaults. @throws the bytes are no such message */
export function decode<T>(typeName: string, bytes: Uint8Array): T {
  const type = root.lookupType(typeName);
  return type.toObject(type.decode(bytes), { defaults: true, longs: Number, arrays: true, objects: true }) as T;
}

/** An `Any` whose JSON form has `@type`. */
export function any(json: JsonObject): { type_url: string; value: Uint8Array<ArrayBuffer> } {
  const { "@type": url, ...fields } = json;
  if (typeof url !== "string" || !url.startsWith(TYPE_URL)) throw new TypeError("an Any without @type");
  return { type_url: url, value: encode(url.slice(TYPE_URL.length), fields) };
}

function messageOf(type: protobuf.Type, json: JsonObject): Record<string, unknown> {
  const message: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(json)) {
    const field = type.fields[name];
    if (!field) throw new TypeError(`${type.fullName} has no field ${name} in our schema`);
    message[name] = fieldOf(field, value);
  }
  return message;
}

function fieldOf(field: protobuf.Field, value: Json): unknown {
  const { resolvedType } = field;
  if (!(resolvedType instanceof protobuf.Type)) return value;
  if (field.map) {
    return Object.fromEntries(
      Object.entries(value as JsonObject).map(([key, one]) => [key, valueOf(resolvedType, one)]),
    );
  }
  return field.repeated
    ? (value as readonly Json[]).map((one) => valueOf(resolvedType, one))
    : valueOf(resolvedType, value);
}

function valueOf(type: protobuf.Type, value: Json): unknown {
  switch (type.fullName) {
    case ".google.protobuf.Any":
      return "@type" in (value as JsonObject) ? any(value as JsonObject) : value;
    case ".google.protobuf.Duration":
      return durationOf(value as string);
    case ".google.protobuf.BoolValue":
    case ".google.protobuf.UInt32Value":
      return { value };
    case ".google.protobuf.Struct":
      return structOf(value as JsonObject);
    default:
      return messageOf(type, value as JsonObject);
  }
}

function durationOf(text: string): { seconds: number; nanos: number } {
  const match = /^(\d+)(?:\.(\d{1,9}))?s$/.exec(text);
  if (!match) throw new TypeError(`no duration: ${text}`);
  return { seconds: Number(match[1]), nanos: Number((match[2] ?? "").padEnd(9, "0")) };
}

/** Only what our metadata has: strings. */
function structOf(json: JsonObject): unknown {
  return { fields: Object.fromEntries(Object.entries(json).map(([key, value]) => [key, { string_value: value }])) };
}

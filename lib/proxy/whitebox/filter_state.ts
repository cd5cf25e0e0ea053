/**
 * One value for Envoy's `set_filter_state` filters, by a format string (a literal `%` is written `%%`). Nothing is set when it comes out empty.
 *
 * Values for the internal listener are `shared` with the connection to it, and hashable: Envoy keeps connections to an upstream apart only by hashable
 * state, so two tunnels would otherwise get each other's.
 */
export function stateValue(key: string, format: string, reach: "here" | "shared"): Record<string, unknown> {
  return {
    object_key: key,
    ...(reach === "shared" ? { factory_key: "envoy.hashable_string", shared_with_upstream: "ONCE" } : {}),
    format_string: { text_format_source: { inline_string: format }, omit_empty_values: true },
    skip_if_empty: true,
  };
}

/** `text` as a format string that yields it unchanged. */
export function literal(text: string): string {
  return text.replaceAll("%", "%%");
}

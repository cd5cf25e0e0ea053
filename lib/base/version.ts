import configuration from "../../deno.json" with { type: "json" };

/** The program's version, from the one place that states it. */
export const VERSION: string = configuration.version;

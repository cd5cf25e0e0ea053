import { Problem, reasonOf } from "../base/errors.ts";
import { gcloudDirectory } from "./credentials.ts";

/** Properties of gcloud, as `gcloud config get` shows them: `core/project`, `run/region`, `compute/region`, `container/cluster`. */
export interface GcloudConfig {
  get(property: string): string | undefined;
  /** Where the properties come from, for people: `gcloud configuration default`. */
  readonly origin: string;
}

/**
 * gcloud's own settings in its own order: `CLOUDSDK_<SECTION>_<NAME>` of the environment, then the active configuration,
 * https://cloud.google.com/sdk/docs/properties. One that is not there has no properties.
 * @throws {Problem} the configuration is there and cannot be read
 */
export async function readGcloudConfig(
  environment: Readonly<Record<string, string | undefined>>,
): Promise<GcloudConfig> {
  const directory = gcloudDirectory(environment);
  const read = async (name: string) => {
    if (!directory) return undefined;
    try {
      return await Deno.readTextFile(`${directory}/${name}`);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return undefined;
      throw new Problem({
        tried: `read gcloud's configuration ${directory}/${name}`,
        got: reasonOf(error),
        fix: "let this user read it, or set CLOUDSDK_CONFIG to another directory",
      });
    }
  };
  const active = environment["CLOUDSDK_ACTIVE_CONFIG_NAME"] ?? (await read("active_config"))?.trim() ?? "default";
  const properties = propertiesOf(
    /^[a-z][-a-z0-9]*$/.test(active) ? await read(`configurations/config_${active}`) : "",
  );
  return {
    origin: `gcloud configuration ${active}`,
    get(property) {
      const variable = `CLOUDSDK_${property.replace("/", "_").toUpperCase()}`;
      return environment[variable] || properties.get(property);
    },
  };
}

/** `section/name` → value of an INI file; comments and lines of another form are passed over, as gcloud does. */
function propertiesOf(text: string | undefined): Map<string, string> {
  const found = new Map<string, string>();
  let section = "";
  for (const line of (text ?? "").split("\n")) {
    const head = /^\s*\[([^\]]+)\]\s*$/.exec(line);
    if (head) section = head[1]!.trim();
    const [, name, value] = /^\s*([a-z_]+)\s*[=:]\s*(.*?)\s*$/.exec(line) ?? [];
    if (name && value) found.set(`${section}/${name}`, value);
  }
  return found;
}

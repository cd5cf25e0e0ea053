import { tearDownNamespace } from "../lib/admin/mod.ts";
import type { AdminCommand } from "./admin_command.ts";
import { namespacePlace } from "./namespace_place.ts";

export const command: AdminCommand = {
  name: "teardown-namespace",
  summary: "take back what setup-namespace did",
  words: ["NAMESPACE"],
  flags: { force: { type: "boolean", help: "also where it is in use" } },
  more:
    `Only what setup-namespace made is removed: it is written down in the namespace. A namespace that was there before
stays, and loses the labels; one that was made goes, unless somebody else has put something into it.`,
  async plan(args, context, { signal, timeoutMs }) {
    const place = await namespacePlace(context, undefined);
    return await tearDownNamespace(args.words[0]!, place, { force: args.is("force"), timeoutMs, signal });
  },
};

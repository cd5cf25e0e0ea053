import assert from "node:assert/strict";
import { createAuthority } from "../../../tests/emulators/certificates.ts";
import { inDirectory } from "../../../tests/temporary_directory.ts";
import { FrontEndRoots, googleRoots, writeRoots } from "./roots.ts";

Deno.test("roots: names of Cloud Run's are verified with the few that sign them, others with all", () => {
  const roots = new FrontEndRoots("/all", "/google");
  assert.equal(roots.pathFor("web-abc-uc.a.run.app"), "/google");
  assert.equal(roots.pathFor("web-123.us-central1.run.app"), "/google");
  assert.equal(roots.pathFor("web.example.com"), "/all");
  assert.equal(roots.pathFor("run.app.example.com"), "/all");
});

Deno.test("roots: once a certificate leads to none of them, all names are verified with all", () => {
  const roots = new FrontEndRoots("/all", "/google");
  assert.equal(roots.refused("delayed_connect_error:_Connection_refused"), false);
  assert.equal(roots.refused("TLS_error:|268435581:SSL_routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED"), true);
  assert.equal(roots.pathFor("web-abc-uc.a.run.app"), "/all");
  assert.equal(roots.refused("CERTIFICATE_VERIFY_FAILED"), false, "once");
});

Deno.test("roots: files named after their content, the private ones in both", () =>
  inDirectory(async (directory) => {
    const authority = createAuthority("any");
    const [google, other] = ["Google Trust Services LLC", "Other"].map((organization) =>
      authority.issue({ commonName: "root", organizations: [organization] }).certificatePem
    );
    await Deno.writeTextFile(`${directory}/bundle`, `${other}${google}`);
    assert.equal(googleRoots(`${other}${google}`).trim(), google!.trim());
    const roots = await writeRoots(directory, authority.certificatePem, [`${directory}/none`, `${directory}/bundle`]);
    const [all, few] = await Promise.all(
      [roots.all, roots.pathFor("x.run.app")].map((path) => Deno.readTextFile(path)),
    );
    assert.ok(all!.includes(other!) && all!.includes(google!) && all!.includes(authority.certificatePem));
    assert.ok(!few!.includes(other!) && few!.includes(google!.trim()) && few!.includes(authority.certificatePem));
    const changed = await writeRoots(directory, "", [`${directory}/bundle`]);
    assert.notEqual(changed.all, roots.all);
    await assert.rejects(writeRoots(directory, "", []), { name: "Problem" });
  }));

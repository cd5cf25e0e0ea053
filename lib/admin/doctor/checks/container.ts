import { type About, check } from "../check.ts";
import { fail, pass, skip, warn } from "../finding.ts";
import { moment } from "../moment.ts";

const isFor = ({ place }: About) => place === "krun";

/** krun renews its token at two thirds of its life: one that is about to end was not renewed. */
const TOKEN_WARN_MS = 10 * 60_000;
const LOGS = "read krun's log: gcloud run services logs read SERVICE";

export const CONTAINER = [
  check("container.ready", "krun is ready", {
    needs: ["krunReady"],
    owns: ["krunReady"],
    mend: LOGS,
    isFor,
    decide({ krunReady }) {
      if (!krunReady) return skip("KRUN_HEALTH_PORT=0");
      return krunReady.status === 200 ? pass("ready") : fail(krunReady.text || `it answers ${krunReady.status}`, LOGS);
    },
  }),
  check("container.proxy", "its proxy is ready", {
    needs: ["proxyReady"],
    owns: ["proxyReady"],
    mend: LOGS,
    isFor,
    decide({ proxyReady }) {
      if (!proxyReady) return skip("krun runs no Envoy here");
      return proxyReady.status === 200
        ? pass("ready")
        : fail(proxyReady.text || `it answers ${proxyReady.status}`, LOGS);
    },
  }),
  check("container.token", "the workload's token is there and good", {
    needs: ["tokenFile"],
    owns: ["tokenFile"],
    mend: LOGS,
    isFor,
    decide({ tokenFile }, { now }) {
      if (!tokenFile) return fail("no token file", LOGS);
      const { path, mode, expiresAt } = tokenFile;
      if ((mode & 0o077) !== 0) {
        return fail(`${path} has mode ${mode.toString(8)}, others may read it`, `chmod 600 ${path}`);
      }
      if (expiresAt === undefined) return fail(`${path} is no token`, LOGS);
      const seen = `${path} ends ${moment(expiresAt, now)}`;
      if (expiresAt <= now) return fail(`${path} ended ${moment(expiresAt, now)}`, LOGS);
      return expiresAt - now < TOKEN_WARN_MS ? warn(seen, LOGS) : pass(seen);
    },
  }),
  check("container.certificates", "its certificates are good", {
    needs: ["certificates"],
    owns: ["certificates"],
    after: ["container.proxy"],
    mend: LOGS,
    isFor,
    decide({ certificates }, { now }) {
      if (!certificates) return skip("krun runs no Envoy here");
      if (certificates.length === 0) return fail("Envoy has none", LOGS);
      const [first] = [...certificates].sort((a, b) => a.notAfter - b.notAfter);
      const { subject, notAfter } = first!;
      if (notAfter <= now) return fail(`${subject} ended ${moment(notAfter, now)}`, LOGS);
      return pass(`${certificates.length}, ${subject} ends ${moment(notAfter, now)}`);
    },
  }),
  check("container.app", "the app listens", {
    needs: ["appPort"],
    owns: ["appPort"],
    mend: LOGS,
    isFor,
    decide({ appPort }) {
      if (!appPort) return skip("an app that listens on nothing");
      const { port, isOpen } = appPort;
      return isOpen
        ? pass(String(port))
        : fail(`nothing on 127.0.0.1:${port}`, "let the app listen on the port in PORT, or set PORT_http");
    },
  }),
];

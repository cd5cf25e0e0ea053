/** A proxy beside the app, whatever makes it. */
export interface RunningProxy extends AsyncDisposable {
  /** For people: `pilot-agent with Envoy 1.40.0`. */
  readonly name: string;
  /**
   * Variables the app needs to use it, e.g. `HTTP_PROXY`; waits until the mesh is found by them. Without a call of this, as with iptables,
   * nothing is done for it.
   * @throws {Problem} it is not found in time
   */
  appEnvironment(): Promise<Readonly<Record<string, string>>>;
  /** Where `/_hbone/15003` leads: the proxy's mTLS inbound listener, or the app itself where there is no mesh. */
  readonly inboundPort: number;
  /** Its processes: a listener on the app's port that is theirs is not the app's. */
  readonly pids: readonly number[];
  /** Tells inbound peers to take their next request elsewhere; what is open goes on. Never throws. */
  drain(): Promise<void>;
  /** Ends it and starts it again, with the settings of then; missing where nothing of it depends on the mesh. */
  readonly restart?: ((why: string) => void) | undefined;
  /** Whether it runs now, and how often it was started again. */
  readonly health: { readonly up: boolean; readonly restarts: number };
  /** Settles, with the reason, when it ends though nobody asked it to. */
  readonly ended: Promise<string>;
}

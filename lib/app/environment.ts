/** The app's environment: its own, the port it is to listen on, gRPC's bootstrap, and what the proxy wants set. */
export function appEnvironment(
  own: Readonly<Record<string, string>>,
  app: { port: number; grpcBootstrap: string },
  proxy: Readonly<Record<string, string>>,
): Record<string, string> {
  return {
    GRPC_XDS_BOOTSTRAP: app.grpcBootstrap,
    GRPC_XDS_EXPERIMENTAL_RBAC: "true",
    GRPC_XDS_EXPERIMENTAL_SECURITY_SUPPORT: "true",
    ...own,
    ...proxy,
    // Cloud Run's own PORT is the tunnel's: the app must not take it.
    PORT: String(app.port),
  };
}

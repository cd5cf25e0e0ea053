/** The demo's web app: knows nothing of meshes but what its environment says. */
const port = Number(Deno.env.get("PORT"));
const server = Deno.serve({ port, onListen: () => {} }, async (request) => {
  const url = new URL(request.url);
  if (url.pathname === "/call") {
    const client = Deno.createHttpClient({ proxy: { url: Deno.env.get("HTTP_PROXY")! } });
    const answer = await fetch(url.searchParams.get("url")!, { client });
    return new Response(`${answer.status} ${await answer.text()}`);
  }
  if (url.pathname === "/echo") return new Response(request.body);
  const identity = request.headers.get("x-forwarded-client-cert") ?? "none";
  return new Response(`hello from port ${port}; client identity: ${identity}\n`);
});
Deno.addSignalListener("SIGTERM", async () => {
  await server.shutdown();
  Deno.exit(0);
});

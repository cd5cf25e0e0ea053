import type { MeshPorts, WeightedCluster } from "./learn.ts";
import { HEADERS, SCOPES } from "./names.ts";
import { type NameScope, suffixes } from "./service_names.ts";

/**
 * The Lua filter that chooses the scope of a request by its authority. Facts of Envoy it stands on (tried on 1.40):
 * - `metadata()` resolves the route, once for each filter and request; a header that is changed after that clears it again;
 * - a CONNECT matches no ordinary route, so it is looked up as if it were `GET /`: only the host matters for whether it is a mesh host;
 * - istiod's catch-all routes have fixed names, while routes of VirtualServices may have empty ones: only the former tell a miss.
 */
export function luaSource(ports: MeshPorts, names: NameScope): string {
  for (const name of [names.namespace, names.domain]) {
    if (!/^[\w.-]+$/.test(name)) throw new TypeError(`${JSON.stringify(name)} is not a DNS name`);
  }
  const tcp = [...ports.services].filter(([, kind]) => kind !== "http").map(([name]) => name);
  return LUA_READERS + `
local HTTP = words([[${ports.httpPorts.join(" ")}]])
local TCP = words([[${tcp.filter(plain).join("\n")}]])
local ROUTES = pairs_of([[${[...ports.tcpRoutes].map(routeLine).filter(plain).join("\n")}]])
local SUFFIXES = { ${suffixes(names).map((suffix) => JSON.stringify(suffix)).join(", ")} }
local OUTSIDE = "${ports.outsideAllowed ? SCOPES.outside : SCOPES.blocked}"
local MISSES = { allow_any = true, allow_any_dynamic_dns = true, block_all = true }
` + LUA_DECISION;
}

/** Names from the control plane are data: nothing that could end the Lua string they stand in. */
function plain(name: string): boolean {
  return !name.includes("]]");
}

function routeLine([target, clusters]: [string, WeightedCluster[]]): string {
  return [target, ...clusters.map(({ name, weight }) => `${name}=${weight}`)].join(" ");
}

const LUA_READERS = `
local function words(text)
  local set = {}
  for word in text:gmatch("%S+") do set[word] = true end
  return set
end
local function pairs_of(text)
  local map = {}
  for line in text:gmatch("[^\\n]+") do
    local target, rest = line:match("^(%S+) (.*)$")
    map[target] = rest
  end
  return map
end
`;

const LUA_DECISION = `
local function host_and_port(authority, default)
  local host, port = authority:match("^(.*):(%d+)$")
  if not host then host, port = authority, default end
  return host:lower():gsub("%.$", ""), port
end

local function choose(weighted)
  local total, clusters = 0, {}
  for name, weight in weighted:gmatch("(%S+)=(%d+)") do
    total = total + tonumber(weight)
    table.insert(clusters, { name = name, upto = total })
  end
  local at = math.random() * total
  for _, cluster in ipairs(clusters) do
    if at < cluster.upto then return cluster.name end
  end
end

local function tcp_cluster(host, port)
  for _, suffix in ipairs(SUFFIXES) do
    local weighted = ROUTES[host .. suffix .. ":" .. port]
    if weighted then return choose(weighted) end
    if TCP[host .. suffix .. ":" .. port] then return "outbound|" .. port .. "||" .. host .. suffix end
  end
end

-- Whether istiod has routes for the authority at this port; leaves the request in the port's scope.
local function has_routes(handle, headers, port)
  if not HTTP[port] then return false end
  headers:replace("${HEADERS.scope}", port)
  handle:clearRouteCache()
  handle:metadata()
  return not MISSES[handle:streamInfo():routeName()]
end

-- Inside a tunnel the port is the tunnel's, whatever the request says; a host that isn't of the mesh stands for the tunnel's.
local function inside_tunnel(handle, headers, tunnel)
  local _, port = host_and_port(tunnel, "80")
  if not has_routes(handle, headers, port) then
    headers:replace(":authority", tunnel)
    handle:clearRouteCache()
  end
end

function envoy_on_request(handle)
  local headers = handle:headers()
  local authority = headers:get(":authority") or ""
  local tunnel = headers:get("${HEADERS.tunnel}")
  if tunnel then return inside_tunnel(handle, headers, tunnel) end
  local connect = headers:get(":method") == "CONNECT"
  local secure = not connect and headers:get(":scheme") == "https"
  local host, port = host_and_port(authority, secure and "443" or "80")
  if connect then
    headers:replace(":method", "GET")
    headers:replace(":path", "/")
  end
  local routes = has_routes(handle, headers, port)
  if connect then
    headers:replace(":method", "CONNECT")
    headers:remove(":path")
  end
  if routes and not connect then return end
  local cluster = tcp_cluster(host, port)
  if cluster then headers:replace("${HEADERS.cluster}", cluster) end
  if routes then
    headers:replace("${HEADERS.tunnel}", authority)
    headers:replace("${HEADERS.scope}", "${SCOPES.tunnel}")
  elseif cluster then
    headers:replace("${HEADERS.scope}", "${SCOPES.cluster}")
  elseif secure then
    return handle:respond({ [":status"] = "501" }, "this proxy takes https by CONNECT only\\n")
  else
    headers:replace("${HEADERS.scope}", OUTSIDE)
  end
  handle:clearRouteCache()
end
`;

// oidc-provider (npm) with its memory adapter and its default settings, for client credentials.
//
// node oidc_provider.mjs FOLDER PORT, where FOLDER is where npm has installed it. The secret of the
// client comes by the environment.
import { createRequire } from "node:module";
import path from "node:path";
import { pathToFileURL } from "node:url";

const [folder, port] = process.argv.slice(2);
const require = createRequire(path.join(path.resolve(folder), "of.js"));
const { default: Provider } = await import(pathToFileURL(require.resolve("oidc-provider")).href);

const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [
    {
      client_id: "service",
      client_secret: process.env.OAUTHGRANTS_BENCHMARK_SECRET,
      token_endpoint_auth_method: "client_secret_basic",
      grant_types: ["client_credentials"],
      response_types: [],
      redirect_uris: [],
      scope: "read write",
    },
  ],
  scopes: ["read", "write"],
  features: { clientCredentials: { enabled: true }, devInteractions: { enabled: false } },
  ttl: { ClientCredentials: 3600 },
});
provider.listen(Number(port), "127.0.0.1");

// What simple-oauth2 gets from a server, as JSON: all grants and revocation.
import { ClientCredentials, ResourceOwnerPassword } from "simple-oauth2";

const { issuer, client_id, client_secret, method, username, password } = JSON.parse(process.argv[2]);

function configure(secret) {
  return {
    client: { id: client_id, secret },
    auth: { tokenHost: issuer, tokenPath: "/token", revokePath: "/revoke" },
    options: { authorizationMethod: method === "client_secret_basic" ? "header" : "body" },
    http: { timeout: 30_000 },
  };
}

const machine = (await new ClientCredentials(configure(client_secret)).getToken({ scope: "read" })).token;
const signedIn = await new ResourceOwnerPassword(configure(client_secret)).getToken({ username, password });
const first = signedIn.token;
const refreshed = await signedIn.refresh();
const second = refreshed.token;
await refreshed.revoke("access_token");

let wrong;
try {
  await new ClientCredentials(configure("guess")).getToken({});
} catch (error) {
  wrong = [error.output.statusCode, error.data.payload.error];
}
console.log(JSON.stringify({ machine, first, second, wrong }));

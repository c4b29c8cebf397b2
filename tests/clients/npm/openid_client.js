// What openid-client gets from a server, as JSON: all grants, introspection, revocation.
import * as client from "openid-client";

const { issuer, client_id, client_secret, method, username, password } = JSON.parse(process.argv[2]);
const authentication = {
  client_secret_basic: client.ClientSecretBasic,
  client_secret_post: client.ClientSecretPost,
};

function discover(secret) {
  return client.discovery(new URL(issuer), client_id, undefined, authentication[method](secret), {
    algorithm: "oauth2",
    execute: [client.allowInsecureRequests],
    timeout: 30,
  });
}

const config = await discover(client_secret);
const machine = await client.clientCredentialsGrant(config, { scope: "read" });
const first = await client.genericGrantRequest(config, "password", { username, password });
const second = await client.refreshTokenGrant(config, first.refresh_token);
const before = await client.tokenIntrospection(config, second.access_token);
await client.tokenRevocation(config, second.access_token);
const after = await client.tokenIntrospection(config, second.access_token);

let wrong;
try {
  await client.clientCredentialsGrant(await discover("guess"));
} catch (error) {
  wrong = [error.constructor.name, error.error ?? error.cause?.[0]?.scheme];
}
console.log(JSON.stringify({ machine, first, second, before, after, wrong }));

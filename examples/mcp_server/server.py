"""An MCP server with tokens for agents: ``AGENT_SECRET=… uvicorn server:app``."""

import os

from mcp.server import MCPServer
from mcp.server.auth.middleware.auth_context import get_access_token

import oauthgrants as og
from oauthgrants.adapters.mcp import McpOAuth, metadata_for_sdk

ISSUER = os.environ.get("ISSUER", "http://127.0.0.1:8000")
RESOURCE = f"{ISSUER}/mcp"

store = og.MemoryStore()
client, _ = og.Client.confidential(
    "agent",
    secret=os.environ["AGENT_SECRET"],
    machine_made=True,  # from a random generator, so a fast hash will do
    grant_types=["client_credentials"],
    scope="reports:read",
    resources=[RESOURCE],
)
store.add_client(client)
server = og.AsyncAuthorizationServer(
    issuer=ISSUER,
    allow_insecure_transport=True,  # for this machine alone
    store=store,
    grants=[og.ClientCredentialsGrant()],
    audience=RESOURCE,
    metadata=metadata_for_sdk(ISSUER),
)
api = og.AsyncResourceServer(
    resource=RESOURCE,
    tokens=server.lookup,
    authorization_servers=[ISSUER],
    scopes_supported="reports:read",
    allow_insecure_transport=True,
)
oauth = McpOAuth(server, api, scope="reports:read")
mcp = MCPServer("reports", auth=oauth.settings, token_verifier=oauth.token_verifier)


@mcp.tool()
def count_reports(year: int) -> dict[str, str | int]:
    """Say how many reports there are of a year, and who asks."""
    token = get_access_token()
    return {"reports": year % 100, "for": token.client_id if token else "nobody"}


app = mcp.streamable_http_app()
oauth.init_app(app)

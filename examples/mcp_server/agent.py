"""An agent that signs in by itself: ``AGENT_SECRET=… python agent.py 2026``."""

import asyncio
import os
import sys

import httpx2
from mcp import Client
from mcp.client.auth.extensions.client_credentials import ClientCredentialsOAuthProvider
from mcp.client.streamable_http import streamable_http_client

ISSUER = os.environ.get("ISSUER", "http://127.0.0.1:8000")


class Tokens:
    """Keeps the token as long as the agent runs."""

    tokens = None

    async def get_tokens(self):
        """Return the token, None before there is one."""
        return self.tokens

    async def set_tokens(self, tokens):
        """Keep a new one."""
        self.tokens = tokens

    async def get_client_info(self):
        """Return nothing: the client is registered, and the provider knows it."""

    async def set_client_info(self, client_info):
        """Keep nothing."""


async def ask(year):
    """Return what the tool says of *year*."""
    provider = ClientCredentialsOAuthProvider(
        server_url=f"{ISSUER}/mcp",
        storage=Tokens(),
        client_id="agent",
        client_secret=os.environ["AGENT_SECRET"],
        issuer=ISSUER,  # the secret goes there and nowhere else
    )
    async with (
        httpx2.AsyncClient(auth=provider, timeout=30) as http,
        Client(streamable_http_client(f"{ISSUER}/mcp", http_client=http)) as client,
    ):
        answer = await client.call_tool("count_reports", {"year": year})
        return answer.structured_content


if __name__ == "__main__":
    print(asyncio.run(ask(int(sys.argv[1]))))

"""The authorization server of both services: ``flask --app auth run --port 8000``."""

import os

from flask import Flask

import oauthgrants as og
from oauthgrants.adapters.flask import FlaskOAuth

ORDERS, STOCK = "https://orders.example.com", "https://stock.example.com"
store = og.MemoryStore()
for name, other, scope in (("orders", STOCK, "stock:read"), ("stock", ORDERS, "orders:read")):
    client, _ = og.Client.confidential(
        name,
        secret=os.environ[f"{name.upper()}_SECRET"],
        machine_made=True,  # from a random generator, so a fast hash will do
        grant_types=["client_credentials"],
        scope=scope,
        resources=[other],  # the one that it calls
        introspects=[{"orders": ORDERS, "stock": STOCK}[name]],  # what it is itself
    )
    store.add_client(client)
server = og.AuthorizationServer(
    issuer=os.environ.get("ISSUER", "http://127.0.0.1:8000"),
    allow_insecure_transport=True,  # for this machine alone
    store=store,
    grants=[og.ClientCredentialsGrant()],
)
app = Flask(__name__)
FlaskOAuth(server).init_app(app)

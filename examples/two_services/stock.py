"""``flask --app stock run --port 8002``."""

import os

from service import make_app

app = make_app(
    "stock",
    "orders",
    issuer=os.environ.get("ISSUER", "http://127.0.0.1:8000"),
    secret=os.environ["STOCK_SECRET"],
    other_url=os.environ.get("ORDERS_URL", "http://127.0.0.1:8001"),
)

"""``flask --app orders run --port 8001``."""

import os

from service import make_app

app = make_app(
    "orders",
    "stock",
    issuer=os.environ.get("ISSUER", "http://127.0.0.1:8000"),
    secret=os.environ["ORDERS_SECRET"],
    other_url=os.environ.get("STOCK_URL", "http://127.0.0.1:8002"),
)

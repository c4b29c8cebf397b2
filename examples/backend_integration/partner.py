"""A partner's backend that hands orders to ours: ``python partner.py 4711 4712``."""

import os
import sys

import requests
from requests_oauth2client import ClientSecretBasic, OAuth2Client, OAuth2ClientCredentialsAuth


def connect(token_url, client_id, client_secret):
    """Return a session whose requests carry a token, kept until shortly before it expires."""
    client = OAuth2Client(
        token_url,
        auth=ClientSecretBasic(client_id, client_secret),
        testing=token_url.startswith("http://127.0.0.1"),  # https everywhere else
    )
    session = requests.Session()
    session.auth = OAuth2ClientCredentialsAuth(client, scope="orders:write", leeway=30)
    return session


def send_order(session, api, number):
    """Hand in the order *number*; once more with a new token if ours has been revoked."""
    for is_last in (False, True):
        answer = session.post(f"{api}/orders", json={"number": number}, timeout=10)
        if answer.status_code != requests.codes.unauthorized or is_last:
            break
        session.auth.forget_token()
    answer.raise_for_status()
    return answer.json()["accepted"]


def main():
    """Hand in the orders that the command line names."""
    with connect(
        os.environ["TOKEN_URL"], os.environ["CLIENT_ID"], os.environ["CLIENT_SECRET"]
    ) as session:
        for number in sys.argv[1:]:
            print("accepted", send_order(session, os.environ["API_URL"], number))


if __name__ == "__main__":
    main()

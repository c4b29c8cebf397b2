"""
A server to be killed: forks a process that serves for each line that comes.

Forked, and not started anew, so that a restart takes a moment instead of a second: what is
imported is imported once. Nothing else is shared but the socket that takes the connections.
"""

from __future__ import annotations

import logging
import os
import sys

from sqlalchemy import create_engine

from oauthgrants import AuthorizationServer, ClientCredentialsGrant, RefreshTokenGrant
from oauthgrants.cli.http_server import HttpServer, listen
from oauthgrants.events import logger
from oauthgrants.stores.sqlalchemy import SqlAlchemyStore
from support import CHEAP, ISSUER, password_grant


def main(url: str) -> None:
    """Print the port, then the id of each process, and an empty line when it has ended."""
    # Of what happens, only faults are news: nothing here should be one.
    logger.setLevel(logging.ERROR)
    with listen("127.0.0.1", 0) as listener:
        print(listener.getsockname()[1], flush=True)
        for _ in sys.stdin:
            process = os.fork()
            if process == 0:
                server = AuthorizationServer(
                    issuer=ISSUER,
                    store=SqlAlchemyStore(create_engine(url)),
                    hasher=CHEAP,
                    grants=[ClientCredentialsGrant(), password_grant(), RefreshTokenGrant()],
                    # Each sign-in that is cut off would count as a wrong guess.
                    throttle=None,
                )
                with HttpServer(listener, server.handle, issuer=ISSUER) as http:
                    http.run()
                sys.exit()
            print(process, flush=True)
            os.waitpid(process, 0)
            print(flush=True)


if __name__ == "__main__":
    main(sys.argv[1])

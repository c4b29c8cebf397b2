"""A nightly job with a service account: ``python job.py``, from cron or a timer."""

import os
import sys

from authlib.integrations.httpx_client import OAuth2Client  # type: ignore[import-untyped]
from httpx import HTTPError, codes


def run(session, api):
    """Fetch the reports page by page, and return how many there were."""
    count, url = 0, f"{api}/reports?page=1"
    while url:
        answer = session.get(url)
        if (
            answer.status_code == codes.UNAUTHORIZED
        ):  # revoked, or the job took longer than its token lives
            session.fetch_token()
            answer = session.get(url)
        page = answer.raise_for_status().json()
        count += len(page["reports"])
        url = page["next"] and f"{api}{page['next']}"
    return count


def main():
    """Say how many reports there are; the exit status tells the timer whether it worked."""
    with OAuth2Client(  # pyright: ignore[reportGeneralTypeIssues]  # it is httpx's client too
        os.environ["CLIENT_ID"],
        os.environ["CLIENT_SECRET"],
        scope="reports:read",
        token_endpoint=os.environ["TOKEN_URL"],
        grant_type="client_credentials",
        timeout=10,
    ) as session:
        try:
            session.fetch_token()
            print(run(session, os.environ["API_URL"]), "reports")
            # What is not needed any more is not left lying about.
            session.revoke_token(
                os.environ["REVOCATION_URL"], token=session.token["access_token"]
            ).raise_for_status()
        except HTTPError as error:
            sys.exit(f"nightly job: {error}")


if __name__ == "__main__":
    main()

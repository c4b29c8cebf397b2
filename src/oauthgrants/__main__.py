"""``python -m oauthgrants`` is the command ``oauthgrants``."""

import sys

from oauthgrants.cli import main

if __name__ == "__main__":
    sys.exit(main())

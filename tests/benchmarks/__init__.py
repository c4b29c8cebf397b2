"""
What the library costs: ``python -m tests.benchmarks`` lists the benchmarks, and each is a command.

A benchmark is a module here with a function `main` that takes the arguments of its command. It
prints `report.describe_machine` first, so that no figure stands alone, and then tables. What it
compares it measures side by side (`measuring.interleave`), and says the ratio: this machine's
microseconds are nobody else's. ``tests/test_benchmarks.py`` runs a short form of each, and checks
the answers and never the times.
"""

import sys
from pathlib import Path

# What starts databases is that of the tests of stores.
_STORES = str(Path(__file__).parent.parent / "stores")
if _STORES not in sys.path:
    sys.path.append(_STORES)

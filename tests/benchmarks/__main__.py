"""Lists the benchmarks, and says what each measures."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path


def main() -> None:
    """Print a command a line."""
    folder = Path(__file__).parent
    for path in sorted(folder.glob("[a-z]*.py")):
        module = import_module(f".{path.stem}", __package__)
        # What has no `main` is what they share.
        if hasattr(module, "main"):
            summary = (module.__doc__ or "").strip().partition("\n")[0]
            print(f"python -m {module.__name__:{len('tests.benchmarks.round_trips')}}  {summary}")


if __name__ == "__main__":
    main()

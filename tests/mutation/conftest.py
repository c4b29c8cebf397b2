"""There are no tests here, and without mutmut not everything can be imported."""

collect_ignore_glob = ["*.py"]

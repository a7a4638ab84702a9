"""Runs the command line: ``python -m probe``."""

from probe.cli import main

if __name__ == "__main__":
    raise SystemExit(main())

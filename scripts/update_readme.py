#!/usr/bin/env python3
"""Writes the README's table of flags anew from the flags; with --check, only says whether it is up to date."""

import argparse
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from neural_style.cli import help_text  # noqa: E402 - found through the line above

README = ROOT / "README.md"
TABLE = re.compile(r"(?<=<!-- flags -->\n).*?(?=<!-- /flags -->)", re.DOTALL)


def main() -> int:
    """Update or check; 1 if a check fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    before = README.read_text(encoding="utf-8")
    after = TABLE.sub(lambda _: help_text.markdown_table(), before, count=1)
    if parser.parse_args().check:
        return int(after != before)
    README.write_text(after, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

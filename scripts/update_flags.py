#!/usr/bin/env python3
"""Write the table of docs/flags.md from the flags; with --check, only say whether it is up to date."""

import argparse
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from neural_style.cli import help_text  # noqa: E402 - found through the line above

PAGE = ROOT / "docs" / "flags.md"
TABLE = re.compile(r"(?<=<!-- flags -->\n).*?(?=<!-- /flags -->)", re.DOTALL)


def main() -> int:
    """Update or check; return 1 if a check fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    before = PAGE.read_text(encoding="utf-8")
    after = TABLE.sub(lambda _: help_text.markdown_table(), before, count=1)
    if parser.parse_args().check:
        return int(after != before)
    PAGE.write_text(after, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""Write the tables of docs/flags.md and docs/web.md from the flags; with --check, only say whether it is up to date."""

import argparse
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from neural_style.cli import help_text  # noqa: E402 - found through the line above

PAGES = {ROOT / "docs" / "flags.md": help_text.markdown_table, ROOT / "docs" / "web.md": help_text.web_table}
TABLE = re.compile(r"(?<=<!-- flags -->\n).*?(?=<!-- /flags -->)", re.DOTALL)


def main() -> int:
    """Update or check; return 1 if a check fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    only_check, is_old = parser.parse_args().check, False
    for page, table in PAGES.items():
        before = page.read_text(encoding="utf-8")
        after = TABLE.sub(lambda _, table=table: table(), before, count=1)
        is_old |= after != before
        if not only_check:
            page.write_text(after, encoding="utf-8")
    return int(only_check and is_old)


if __name__ == "__main__":
    sys.exit(main())

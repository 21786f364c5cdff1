"""Let `python -m neural_style` paint."""

import signal
import sys

if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # no traceback of what follows, which takes a second

from neural_style.cli.main import main

if __name__ == "__main__":
    sys.exit(main())

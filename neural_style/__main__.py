"""`python -m neural_style`."""

import sys

from neural_style.cli.main import main

sys.exit(main())

"""`python -m incamera` is the command `incamera`."""

import sys

from incamera.cli import main

sys.exit(main())

"""`python -m incamera.edge` is `incamera edge`."""

import sys

from incamera.edge.main import main

sys.exit(main())

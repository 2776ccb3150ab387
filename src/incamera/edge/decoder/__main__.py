"""`python -m incamera.edge.decoder`: started by the edge only."""

from incamera.edge.decoder.worker import main

main()

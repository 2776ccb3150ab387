"""`python -m incamera.edge.encoder`: started by the edge only."""

from incamera.edge.encoder.worker import main

main()

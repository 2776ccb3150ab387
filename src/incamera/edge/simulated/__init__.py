"""Cameras that do not exist: drawn scenes with a running clock, encoded and served over RTSP like real ones.

They are what the demo shows and what tests look through. `server.SimulatedCameras` is the door;
`python -m incamera.edge.simulated` is the same from a shell. Everything here needs the extra `[edge]` (av, numpy).
"""

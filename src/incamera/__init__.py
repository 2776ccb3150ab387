"""Incamera: a smart-camera cloud that anyone can host, whose privacy policy runs.

`docs/architecture.md` is the map. Features sit beside each other here; `app.py` puts the server together,
`edge/` is the second program, and `media/` is the part that knows nothing of sockets or files.
"""

__version__ = "0.1.0"

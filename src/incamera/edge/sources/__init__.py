"""Where streams come from. Every kind of camera is a `Source` (`base.py`); one module per kind beside it.

How to add one: `docs/howto/add-a-camera-source.md`.
"""

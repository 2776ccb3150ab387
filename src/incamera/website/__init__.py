"""The public pages: privacy notice, evidence, record, the page and sign of one camera, and the well-known files.

Rendered on the server from the registry, without any script: they must be readable by everyone, before any sign-in.
"""

from incamera.website.endpoints import router
from incamera.website.signs import CameraSign, CameraSigns

__all__ = ["CameraSign", "CameraSigns", "router"]

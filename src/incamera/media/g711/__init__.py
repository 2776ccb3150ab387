"""G.711 (ITU-T G.711): 8-bit logarithmic sound at 8 kHz, as many cameras send it. It cannot go into CMAF."""

from typing import Final

SAMPLE_RATE: Final = 8000

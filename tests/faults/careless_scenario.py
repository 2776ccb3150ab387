"""The recording scenario with a recorder that acknowledges without syncing: what the tests must find."""

import os

from tests.faults import recording_scenario
from tests.faults.recording_scenario import act, check, prepare

__all__ = ["act", "check", "prepare"]

recording_scenario.note("careless")  # also proves that this runs under the shim
os.fdatasync = lambda _descriptor: None

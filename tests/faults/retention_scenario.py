"""A sweep of retention over three recorded hours, two of which are over: keys first, then files, then rows."""

import shutil
import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Final

import pytest

from incamera.devices.model import RecordingPlan
from incamera.privacy import RetentionRule
from incamera.storage.vault import KeyDestroyed, Vault, _parse_hour
from tests.faults.recording_scenario import CHANNEL, DEVICE, agrees
from tests.faults.shim import note
from tests.support.recordings import HOUR_US, ROOT_KEY, ShiftedClock, Span, Studio, a_studio, number_of

PICTURES: Final = 4
_KEEP: Final = timedelta(hours=6)
_HOURS_AGO: Final = (9, 8, 2)
_YOUNG: Final = 1  # hours that stay
RULE: Final = RetentionRule(
    "B5.record", ("B5.record/recording",), timedelta(days=7), timedelta(days=30), timedelta(0), "crypto_shred", "digest"
)


async def prepare(home: Path) -> None:
    async with a_studio(home, clock=ShiftedClock.in_mid_hour()) as studio:
        await studio.vault.create_epoch_key(DEVICE, 1)
        studio.channels.rules[CHANNEL] = RecordingPlan(DEVICE, 1, True, False, timedelta(days=7))
        for hours in _HOURS_AGO:
            start_us = (studio.clock.now_us() // HOUR_US - hours) * HOUR_US + 60_000_000
            span = Span(studio, CHANNEL, started_us=start_us, gop=2)
            await span.open()
            await span.record(0, PICTURES)
            await span.close()
    shutil.copy(home / "keys.db", home / "keys.old")  # a backup of the keys, made before the sweep


async def act(home: Path) -> None:
    async with a_studio(home, clock=ShiftedClock.in_mid_hour()) as studio:
        await sweep(studio)


async def sweep(studio: Studio) -> None:
    studio.channels.rules[CHANNEL] = RecordingPlan(DEVICE, 1, True, False, _KEEP)
    studio.vault.on_destroyed(lambda names: [note(f"destroyed {name}") for name in names])
    await studio.recorder.retention(sees_public_space=False).sweep(RULE, studio.clock.now())
    note("swept")


async def check(home: Path, notes: list[str]) -> None:
    """Destroyed stays destroyed, also with an older `keys.db`; what is young is whole; the sweep can be finished."""
    destroyed = {text.split(" ")[1] for text in notes if text.startswith("destroyed ")}
    async with a_studio(home, clock=ShiftedClock.in_mid_hour()) as studio:
        await _are_gone(studio.vault, destroyed)
        hours = {segment.hour for segment in await studio.stored(CHANNEL)}
        assert not destroyed & {hour.name for hour in hours}, "rows of a destroyed hour outlive the start"
        assert "swept" not in notes or len(hours) == _YOUNG
        await agrees(studio)
        await sweep(studio)
        [young] = await studio.stored(CHANNEL)
        assert [number_of(chunk) for chunk in await studio.chunks(CHANNEL)] == list(range(PICTURES))
        gone = {_parse_hour(name) for name in _wrapped(home / "keys.old") if name.startswith("hour/")} - {young.hour}
        assert len(gone) == len(_HOURS_AGO) - _YOUNG
        await _are_gone(studio.vault, {hour.name for hour in gone})
        await agrees(studio)
    _leave_no_byte(home, {hour.name for hour in gone})
    await _stay_gone_with_older_keys(home, {hour.name for hour in gone})


async def _are_gone(vault: Vault, names: set[str]) -> None:
    for name in names:
        assert await vault.find_hour_key(_parse_hour(name)) is None, f"{name} came back"
        with pytest.raises(KeyDestroyed):
            await vault.hour_key(_parse_hour(name))


def _leave_no_byte(home: Path, names: set[str]) -> None:
    found = b"".join(path.read_bytes() for path in home.glob("keys.db*"))
    for name, blob in _wrapped(home / "keys.old").items():
        assert name not in names or blob not in found, f"the wrapped key of {name} is still in the file"


async def _stay_gone_with_older_keys(home: Path, names: set[str]) -> None:
    _restore_older_keys(home)
    clock = ShiftedClock.in_mid_hour()
    vault = await Vault.open(home / "keys.db", ROOT_KEY, ledger=home / "ledger", clock=clock)
    try:
        await _are_gone(vault, names)
    finally:
        await vault.close()


def _restore_older_keys(home: Path) -> None:
    for path in home.glob("keys.db*"):
        path.unlink()
    shutil.copy(home / "keys.old", home / "keys.db")


def _wrapped(path: Path) -> dict[str, bytes]:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        return dict(db.execute("SELECT name, blob FROM wrapped JOIN key ON key.number = key_number"))

import sqlite3
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from uuid import UUID

import pytest

from incamera.kit.clock import SystemClock, from_us
from incamera.kit.ids import new_id
from incamera.storage import vault as vault_module
from incamera.storage.tombstones import LedgerDamaged, LedgerMissing, LedgerOfAnotherVault
from incamera.storage.vault import (
    EpochRef,
    HourRef,
    ItemRef,
    KeyDestroyed,
    KeyNotFound,
    SealBroken,
    ShredNotVerified,
    Vault,
    VaultUnreadable,
    WrongRootKey,
)

ROOT = bytes(range(32))
HOUR = SystemClock().now_us() // 3_600_000_000


async def open_vault(folder: Path, root: bytes = ROOT, **options: bool) -> Vault:
    return await Vault.open(
        folder / "keys.db", root, ledger=folder / "apart" / "ledger", clock=SystemClock(), **options
    )


@pytest.fixture
async def vault(tmp_path: Path) -> AsyncIterator[Vault]:
    opened = await open_vault(tmp_path)
    yield opened
    await opened.close()


def wrapped_copies(folder: Path, name: str) -> list[bytes]:
    db = sqlite3.connect(folder / "keys.db")
    rows = db.execute("SELECT blob FROM wrapped JOIN key ON key.number = key_number WHERE name = ?", (name,)).fetchall()
    db.close()
    return [row[0] for row in rows]


def restore(folder: Path, backup: bytes) -> None:
    for path in folder.glob("keys.db*"):
        path.unlink()
    (folder / "keys.db").write_bytes(backup)


def open_to_others(folder: Path) -> list[Path]:
    files = [*folder.glob("keys.db*"), folder / "apart" / "ledger"]
    return [path for path in files if path.stat().st_mode & 0o077]


def bytes_on_disk(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.glob("keys.db*"))


async def test_sealed_data_survive_a_restart(tmp_path: Path) -> None:
    account = new_id()
    vault = await open_vault(tmp_path)
    sealed = (await vault.create_account_key(account)).seal_text("zoé@example.org", "account.email")
    await vault.close()

    vault = await open_vault(tmp_path)
    assert (await vault.account_key(account)).open_text(sealed, "account.email") == "zoé@example.org"
    await vault.close()


async def test_sealed_data_open_only_where_they_belong(vault: Vault) -> None:
    one, other = await vault.create_account_key(new_id()), await vault.create_account_key(new_id())
    sealed = one.seal(b"data", "account.email")

    for key, data, context in (
        (other, sealed, "account.email"),
        (one, sealed, "account.phone"),
        (one, sealed[:-1], "account.email"),
        (one, bytes([sealed[0] ^ 1]) + sealed[1:], "account.email"),
        (one, b"", "account.email"),
    ):
        with pytest.raises(SealBroken):
            key.open(data, context)


async def test_wrong_root_key_is_refused_in_words(tmp_path: Path) -> None:
    await (await open_vault(tmp_path)).close()

    with pytest.raises(WrongRootKey, match="root key does not belong to"):
        await open_vault(tmp_path, root=bytes(32))


async def test_file_that_is_no_key_file_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "keys.db").write_bytes(b"not a database, but long enough to be looked at" * 50)

    with pytest.raises(VaultUnreadable, match="restore it from a key backup"):
        await open_vault(tmp_path)


@pytest.mark.req("B5-04")
async def test_no_byte_of_a_destroyed_key_is_left(tmp_path: Path) -> None:
    vault = await open_vault(tmp_path)
    epoch = EpochRef(new_id(), 1)
    await vault.create_epoch_key(epoch.device_id, 1)
    hours = [HourRef(new_id(), epoch, HOUR - age) for age in range(300)]
    for hour in hours:
        await vault.hour_key(hour)
    dead, alive = hours[::3], hours[1::3]
    copies = [copy for hour in dead for copy in wrapped_copies(tmp_path, hour.name)]
    kept = [copy for hour in alive for copy in wrapped_copies(tmp_path, hour.name)]
    assert len(copies) == len(dead)
    assert all(copy in bytes_on_disk(tmp_path) for copy in copies)

    await vault.destroy_hour_keys(dead)

    left = bytes_on_disk(tmp_path)
    assert not any(copy[:20] in left or copy[-20:] in left for copy in copies)
    assert all(copy in left for copy in kept)
    await vault.close()


async def test_destroyed_hour_key_is_never_made_again(vault: Vault) -> None:
    epoch = EpochRef(new_id(), 1)
    await vault.create_epoch_key(epoch.device_id, 1)
    recorded, never_begun = (HourRef(new_id(), epoch, HOUR - 3) for _ in range(2))
    key = await vault.hour_key(recorded)

    await vault.destroy_hour_keys([recorded, never_begun])

    for hour in (recorded, never_begun):
        with pytest.raises(KeyDestroyed):
            await vault.hour_key(hour)
        assert await vault.find_hour_key(hour) is None
    with pytest.raises(KeyDestroyed):
        key.derive(b"whoever still holds it")


async def test_hour_older_than_any_recording_gets_no_key(vault: Vault) -> None:
    epoch = EpochRef(new_id(), 1)
    await vault.create_epoch_key(epoch.device_id, 1)

    with pytest.raises(KeyDestroyed):
        await vault.hour_key(HourRef(new_id(), epoch, HOUR - 24 * 61))


async def test_end_of_an_epoch_destroys_all_below_it(vault: Vault, tmp_path: Path) -> None:
    epoch = EpochRef(new_id(), 1)
    await vault.create_epoch_key(epoch.device_id, 1)
    hour, item = HourRef(new_id(), epoch, HOUR), ItemRef(new_id(), epoch)
    await vault.hour_key(hour)
    await vault.create_item_key(item)
    copies = [wrapped_copies(tmp_path, name)[0] for name in (epoch.name, hour.name, item.name)]
    told: list[str] = []
    vault.on_destroyed(told.extend)

    await vault.destroy_epoch_key(epoch.device_id, 1)

    assert {epoch.name, hour.name, item.name} == set(told)
    assert not any(copy in bytes_on_disk(tmp_path) for copy in copies)
    with pytest.raises(KeyDestroyed):
        await vault.item_key(item)
    with pytest.raises(KeyDestroyed):
        await vault.create_epoch_key(epoch.device_id, 1)
    await vault.create_epoch_key(epoch.device_id, 2)


async def test_reading_never_makes_a_key(vault: Vault) -> None:
    epoch = EpochRef(new_id(), 1)
    with pytest.raises(KeyNotFound):
        await vault.account_key(new_id())
    assert await vault.find_hour_key(HourRef(new_id(), epoch, HOUR)) is None


async def test_restored_backup_does_not_bring_keys_back(tmp_path: Path) -> None:
    account, other = new_id(), new_id()
    vault = await open_vault(tmp_path)
    await vault.create_account_key(account)
    await vault.create_account_key(other)
    await vault.close()
    backup = (tmp_path / "keys.db").read_bytes()
    vault = await open_vault(tmp_path)
    await vault.destroy_account_key(account)
    await vault.close()
    restore(tmp_path, backup)
    copy = wrapped_copies(tmp_path, f"account/{account}")[0]

    vault = await open_vault(tmp_path)

    with pytest.raises(KeyDestroyed):
        await vault.account_key(account)
    await vault.account_key(other)
    assert copy not in bytes_on_disk(tmp_path)
    await vault.close()


async def test_crash_between_ledger_and_deletion_is_finished_at_the_next_opening(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = new_id()
    vault = await open_vault(tmp_path)
    await vault.create_account_key(account)

    def crash(*_: object) -> None:
        raise RuntimeError("power cut")

    with monkeypatch.context() as patch:
        patch.setattr(vault._store, "destroy", crash)
        with pytest.raises(RuntimeError):
            await vault.destroy_account_key(account)
    await vault.close()

    vault = await open_vault(tmp_path)
    with pytest.raises(KeyDestroyed):
        await vault.account_key(account)
    await vault.close()


async def test_ledger_with_an_unfinished_last_line_is_read(tmp_path: Path) -> None:
    account = new_id()
    vault = await open_vault(tmp_path)
    await vault.create_account_key(account)
    await vault.destroy_account_key(account)
    await vault.close()
    ledger = tmp_path / "apart" / "ledger"
    ledger.write_bytes(ledger.read_bytes() + b"17000000 hou")

    await (await open_vault(tmp_path)).close()

    assert ledger.read_bytes().endswith(b"\n")


async def test_lost_damaged_or_foreign_ledger_stops_the_start(tmp_path: Path) -> None:
    await (await open_vault(tmp_path / "a")).close()
    await (await open_vault(tmp_path / "b")).close()
    ledger = tmp_path / "a" / "apart" / "ledger"

    ledger.write_bytes((tmp_path / "b" / "apart" / "ledger").read_bytes())
    with pytest.raises(LedgerOfAnotherVault):
        await open_vault(tmp_path / "a")
    ledger.write_bytes(b"nonsense\n")
    with pytest.raises(LedgerDamaged):
        await open_vault(tmp_path / "a")
    ledger.unlink()
    with pytest.raises(LedgerMissing):
        await open_vault(tmp_path / "a")
    await (await open_vault(tmp_path / "a", new_ledger=True)).close()


async def test_no_receipt_while_a_reader_keeps_the_bytes(
    vault: Vault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vault_module, "_SCRUB_ATTEMPTS", 2)
    monkeypatch.setattr(vault_module, "_SCRUB_PAUSE_S", 0.01)
    account = new_id()
    await vault.create_account_key(account)
    copy = wrapped_copies(tmp_path, f"account/{account}")[0]
    reader = sqlite3.connect(tmp_path / "keys.db", isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM key").fetchone()

    with pytest.raises(ShredNotVerified):
        await vault.destroy_account_key(account)
    with pytest.raises(KeyDestroyed):
        await vault.account_key(account)
    reader.execute("COMMIT")
    reader.close()
    await vault.verify_shredded()

    assert copy not in bytes_on_disk(tmp_path)


async def test_secrets_are_sealed_twice(vault: Vault) -> None:
    key = await vault.create_epoch_key(new_id(), 1)
    sealed = vault.seal_secret(key, b"camera password", "device.password")

    assert vault.open_secret(key, sealed, "device.password") == b"camera password"
    with pytest.raises(SealBroken):
        key.open(sealed, "device.password")


async def test_pseudonyms_are_stable_and_keep_uses_apart(vault: Vault, tmp_path: Path) -> None:
    other = await open_vault(tmp_path / "other", root=bytes(32))

    assert vault.pseudonym("email", "a@example.org") == vault.pseudonym("email", b"a@example.org")
    assert len(vault.pseudonym("email", "a")) == 32
    assert vault.pseudonym("email", "a") != vault.pseudonym("phone", "a")
    assert vault.pseudonym("email", "a") != other.pseudonym("email", "a")
    await other.close()


class MovableClock(SystemClock):
    offset_s = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.offset_s

    def now_us(self) -> int:
        return super().now_us() + round(self.offset_s * 1e6)

    def now(self) -> datetime:
        return from_us(self.now_us())


async def test_keys_leave_the_cache_after_a_minute(tmp_path: Path) -> None:
    clock, account = MovableClock(), UUID(int=7)
    vault = await Vault.open(tmp_path / "keys.db", ROOT, ledger=tmp_path / "ledger", clock=clock)
    first = await vault.create_account_key(account)
    assert await vault.account_key(account) is first

    clock.offset_s = 61
    vault._drop_stale()

    assert not vault._cache
    assert await vault.account_key(account) is not first
    await vault.close()


async def test_ledger_forgets_hours_that_are_refused_by_their_age(tmp_path: Path) -> None:
    clock, epoch, account = MovableClock(), EpochRef(new_id(), 1), new_id()
    vault = await Vault.open(tmp_path / "keys.db", ROOT, ledger=tmp_path / "ledger", clock=clock)
    await vault.create_account_key(account)
    await vault.destroy_hour_keys([HourRef(new_id(), epoch, HOUR) for _ in range(10)])
    await vault.destroy_account_key(account)
    await vault.close()

    clock.offset_s = 91 * 86_400
    vault = await Vault.open(tmp_path / "keys.db", ROOT, ledger=tmp_path / "ledger", clock=clock)

    assert (tmp_path / "ledger").read_text().count("hour") == 0
    with pytest.raises(KeyDestroyed):
        await vault.account_key(account)
    await vault.close()


async def test_nothing_in_clear_reaches_the_disk_and_files_are_private(tmp_path: Path) -> None:
    vault = await open_vault(tmp_path)
    key = await vault.create_account_key(new_id())
    secret = key._secret
    assert secret is not None

    assert secret not in bytes_on_disk(tmp_path)
    assert ROOT not in bytes_on_disk(tmp_path)
    assert secret.hex() not in repr(key)
    assert not open_to_others(tmp_path)
    await vault.close()


async def test_hours_before_go_by_the_hour_and_not_by_its_digits(vault: Vault) -> None:
    device, channel = new_id(), UUID(int=(1 << 128) - 7)  # a name with digits before its last slash
    await vault.create_epoch_key(device, 1)
    hours = [HourRef(channel, EpochRef(device, 1), hour) for hour in (HOUR - 30, HOUR - 2, HOUR, HOUR + 1)]
    for hour in hours:
        await vault.hour_key(hour)

    assert await vault.hours_before(HOUR) == hours[:2]
    assert await vault.hours_before(HOUR + 2) == hours
    assert await vault.hours_before(9) == []

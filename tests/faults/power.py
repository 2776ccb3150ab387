"""Power cuts, played from the shim's log: what may lie on the disk if the power fails after step N.

What a file holds is certain up to its last f(data)sync; a name is certain once its folder was synced. All the rest may
have reached the disk or not, in any order, and a write also in part. That is less than ext4, XFS or btrfs promise (they
keep the order of names, and a synced file has its name), so what holds here holds there.

After a *failed* sync nobody writes again what it should have written: Linux marks the pages clean (PostgreSQL's "fsync
gate"). So here it is lost, whatever a later sync says.
"""

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from pathlib import Path
from typing import Final

from tests.faults.shim import Done, Operation

SECTOR: Final = 512
State = dict[str, bytes]  # path below the root -> content


class Luck(Enum):
    """What of the uncertain things reached the disk."""

    NOTHING = auto()
    EVERYTHING = auto()
    NAMES = auto()  # names and sizes, but no data: zeros, as after a delayed allocation
    DATA = auto()  # data of files that have a name, but no new names
    CHANCE = auto()


@dataclass(eq=False)
class _File:
    """An inode: what is certain, and what was done to it since."""

    certain: bytes
    pending: list[Done] = field(default_factory=list)

    def sync(self, *, failed: bool) -> None:
        if not failed:
            self.certain = _applied(self.certain, self.pending)
        self.pending.clear()

    def content(self, luck: Luck, chance: random.Random) -> bytes:
        if luck in (Luck.EVERYTHING, Luck.DATA):
            return _applied(self.certain, self.pending)
        if luck is Luck.NAMES:
            size = len(_applied(self.certain, self.pending))
            return self.certain[:size].ljust(size, b"\0")
        if luck is Luck.CHANCE:
            return _applied(self.certain, _by_chance(self.pending, chance))
        return self.certain


@dataclass(frozen=True, eq=False)
class _Naming:
    """A change of names: of one entry, or of two at once (a rename)."""

    gone: str
    new: str
    file: _File | None  # None: a folder

    @property
    def folders(self) -> set[str]:
        return {name.rpartition("/")[0] for name in (self.gone, self.new) if name}


class Disk:
    """A disk that is used, operation by operation, and can be cut off at any time."""

    def __init__(self, template: Path, root: Path) -> None:
        self._root = str(root)
        self._names: dict[str, _File | None] = {  # a folder is a name with no file
            str(path.relative_to(template)): None if path.is_dir() else _File(path.read_bytes())
            for path in template.rglob("*")
            if not path.name.endswith("-shm")
        }
        self._certain_names = dict(self._names)
        self._namings: list[_Naming] = []
        self._inodes: dict[int, _File] = {}

    def use(self, done: Done) -> None:
        """The next operation of the log."""
        path = self._below(done.path)
        match done.operation:
            case Operation.OPEN if done.offset:
                self._inodes[done.inode] = self._names[path] = _File(b"")
                self._namings.append(_Naming("", path, self._names[path]))
            case Operation.OPEN:
                self._file(done).pending.append(done._replace(operation=Operation.TRUNCATE))
            case Operation.WRITE | Operation.TRUNCATE | Operation.ALLOCATE:
                self._file(done).pending.append(done)
            case Operation.SYNC if not path or (path in self._names and self._names[path] is None):
                if not done.error:
                    self._sync_folder(path)
            case Operation.SYNC:
                self._file(done).sync(failed=done.error != 0)
            case Operation.RENAME:
                file, new = self._names.pop(path), self._below(done.other)
                self._names[new] = file
                self._namings.append(_Naming(path, new, file))
            case Operation.MKDIR:
                self._names[path] = None
                self._namings.append(_Naming("", path, None))
            case Operation.UNLINK | Operation.RMDIR:
                del self._names[path]
                self._namings.append(_Naming(path, "", None))

    def cut(self, luck: Luck, chance: random.Random | None = None) -> State:
        """What is found when the power is back."""
        chance = chance or random.Random(0)
        names = dict(self._certain_names)
        for naming in self._namings:
            is_lucky = luck in (Luck.EVERYTHING, Luck.NAMES) or (luck is Luck.CHANCE and chance.random() < 0.5)
            if is_lucky:
                _rename(names, naming)
        return {
            name: file.content(luck, chance)
            for name, file in names.items()
            if file is not None and all(str(folder) in names for folder in list(Path(name).parents)[:-1])
        }

    def _file(self, done: Done) -> _File:
        if done.inode not in self._inodes:
            known = self._names[self._below(done.path)]
            assert known is not None, done
            self._inodes[done.inode] = known
        return self._inodes[done.inode]

    def _sync_folder(self, path: str) -> None:
        for naming in [naming for naming in self._namings if path in naming.folders]:
            _rename(self._certain_names, naming)
            self._namings.remove(naming)

    def _below(self, path: str) -> str:
        return path.removeprefix(self._root).removeprefix("/")


@dataclass(frozen=True)
class Cut:
    """A power cut after step `after`: what is found then, and what had been promised."""

    after: int
    luck: Luck
    state: State
    notes: tuple[str, ...]


def cuts(
    template: Path, root: Path, log: Sequence[Done], lucks: Iterable[Luck], *, seed: int = 0, since: int = 0
) -> Iterator[Cut]:
    """Cuts after every step. Of neighbours that leave the same disk only the last, where most had been promised."""
    for luck in lucks:
        disk, chance, notes = Disk(template, root), random.Random(seed), []
        waiting: Cut | None = None
        for number, done in enumerate(log):
            if done.operation is Operation.NOTE:
                notes.append(done.path)
            else:
                disk.use(done)
            if number < since:
                continue
            cut = Cut(number, luck, disk.cut(luck, chance), tuple(notes))
            if waiting is not None and waiting.state != cut.state:
                yield waiting
            waiting = cut
        if waiting is not None:
            yield waiting


def lay_out(state: State, home: Path) -> None:
    """Writes these files into an empty home."""
    for name, content in state.items():
        path = home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        path.chmod(0o600)


def _rename(names: dict[str, _File | None], naming: _Naming) -> None:
    names.pop(naming.gone, None)
    if naming.new:
        names[naming.new] = naming.file


def _applied(content: bytes, operations: Iterable[Done]) -> bytes:
    data = bytearray(content)
    for done in operations:
        if done.operation is Operation.TRUNCATE:
            del data[done.size :]
            data.extend(bytes(done.size - len(data)))
        elif done.operation is Operation.ALLOCATE:
            end = 0 if done.other else done.offset + done.size
            data.extend(bytes(max(0, end - len(data))))
        else:
            data.extend(bytes(max(0, done.offset - len(data))))
            data[done.offset : done.offset + len(done.data)] = done.data
    return bytes(data)


def _by_chance(operations: Iterable[Done], chance: random.Random) -> Iterator[Done]:
    """Some of them; of a write some of its sectors."""
    for done in operations:
        if done.operation is not Operation.WRITE:
            if chance.random() < 0.5:
                yield done
            continue
        whole = chance.random() < 0.3
        for start, end in _sectors(done.offset, done.offset + len(done.data)):
            if whole or chance.random() < 0.5:
                yield done._replace(offset=start, data=done.data[start - done.offset : end - done.offset])


def _sectors(start: int, end: int) -> Iterator[tuple[int, int]]:
    while start < end:
        following = min(end, (start // SECTOR + 1) * SECTOR)
        yield start, following
        start = following

"""Takes away from this process what it does not need, before it reads a byte from a camera (Linux; elsewhere a part).

    no_new_privs   no set-user-id program gives more rights          prctl(2)
    rlimits        address space, open files, file size, no core      setrlimit(2)
    Landlock       files outside the given folders do not exist       landlock(7), Linux 5.13 and later
                   no TCP port is opened, for the decoder none dialled             Linux 6.7 and later
    environment    only what is named stays
    descriptors    all but stdin, stdout, stderr are closed

Each measure that a kernel lacks is left out and reported, never silently: `Confinement` says what holds.
"""

import ctypes
import os
import resource
import struct
import sys
import sysconfig
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_PR_SET_NO_NEW_PRIVS: Final = 38
_LANDLOCK_CREATE_RULESET: Final = 444  # system call numbers are the same on every architecture since 5.1
_LANDLOCK_ADD_RULE: Final = 445
_LANDLOCK_RESTRICT_SELF: Final = 446
_CREATE_RULESET_VERSION: Final = 1
_RULE_PATH_BENEATH: Final = 1
_NETWORK_SINCE_VERSION: Final = 4
_BIND_TCP, _CONNECT_TCP = 1 << 0, 1 << 1

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_REMOVE_DIR, _REMOVE_FILE, _MAKE_DIR, _MAKE_REG = 1 << 4, 1 << 5, 1 << 7, 1 << 8
_RIGHTS_BY_VERSION: Final = ((1, (1 << 13) - 1), (2, 1 << 13), (3, 1 << 14), (5, 1 << 15))  # REFER, TRUNCATE, IOCTL_DEV
_FILE_RIGHTS: Final = _EXECUTE | _WRITE_FILE | _READ_FILE | 1 << 14 | 1 << 15
_READ_RIGHTS: Final = _EXECUTE | _READ_FILE | _READ_DIR
_WRITE_RIGHTS: Final = (
    _READ_FILE | _READ_DIR | _WRITE_FILE | _REMOVE_FILE | _REMOVE_DIR | _MAKE_DIR | _MAKE_REG | 1 << 13 | 1 << 14
)

_SYSTEM_READABLE: Final = (
    "/usr", "/lib", "/lib64", "/bin",
    "/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/host.conf", "/etc/gai.conf", "/etc/services",
    "/etc/protocols", "/etc/ssl", "/etc/pki", "/etc/ca-certificates", "/etc/localtime", "/etc/ld.so.cache",
    "/run/systemd/resolve", "/proc/self", "/proc/meminfo", "/proc/cpuinfo", "/proc/sys/net", "/sys/devices/system/cpu",
    "/dev/urandom", "/dev/random",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Limits:
    """Upper bounds for this process and its children. None: as it is."""

    address_space_bytes: int | None = None
    open_files: int | None = None
    file_size_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Confinement:
    """What holds, and what this system could not do."""

    holds: tuple[str, ...]
    missing: tuple[str, ...]


def python_paths() -> tuple[Path, ...]:
    """What a Python program must be able to read: interpreter, libraries, this package, the system's own files."""
    paths = {Path(sys.prefix), Path(sys.base_prefix), Path(__file__).resolve().parents[2]}
    paths |= {Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    paths.add(Path(sys.executable).resolve().parent.parent)
    return (*paths, *map(Path, _SYSTEM_READABLE))


def confine(
    limits: Limits,
    *,
    readable: Iterable[Path],
    writable: Iterable[Path],
    may_connect: bool,
    environment: Iterable[str] | None = None,
) -> Confinement:
    """Applies what this system has to this process, for good, and to all it starts. Call it before threads exist."""
    holds: list[str] = []
    missing: list[str] = []
    if environment is not None:
        keep_environment(environment)
        holds.append("environment")
    _limit(limits)
    holds.append("rlimits")
    (holds if _set_no_new_privileges() else missing).append("no_new_privs")
    version = _landlock_version()
    handled = _HandledAccess.of(version, may_connect=may_connect)
    is_restricted = version > 0 and _restrict(handled, tuple(readable), tuple(writable))
    (holds if is_restricted else missing).append("landlock_files")
    (holds if is_restricted and handled.network else missing).append("landlock_network")
    return Confinement(tuple(holds), tuple(missing))


def keep_environment(names: Iterable[str]) -> None:
    """Forgets all environment variables but these."""
    kept = frozenset(names)
    for name in tuple(os.environ):
        if name not in kept:
            del os.environ[name]


def close_descriptors(keep: Sequence[int] = (0, 1, 2)) -> None:
    """Closes whatever the starting process left open."""
    with suppress(OSError, ValueError):
        for entry in tuple(Path("/proc/self/fd").iterdir()):
            descriptor = int(entry.name)
            if descriptor not in keep:
                with suppress(OSError):
                    os.close(descriptor)


def _limit(limits: Limits) -> None:
    wanted = {
        resource.RLIMIT_CORE: 0,  # a core file would hold pictures and keys
        resource.RLIMIT_AS: limits.address_space_bytes,
        resource.RLIMIT_NOFILE: limits.open_files,
        resource.RLIMIT_FSIZE: limits.file_size_bytes,
    }
    for kind, value in wanted.items():
        if value is not None:
            _, hard = resource.getrlimit(kind)
            bound = value if hard == resource.RLIM_INFINITY else min(value, hard)
            resource.setrlimit(kind, (bound, bound))


def _set_no_new_privileges() -> bool:
    if sys.platform != "linux":
        return False
    return int(_libc().prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) == 0


def _landlock_version() -> int:
    """0 where the kernel has it not."""
    if sys.platform != "linux":
        return 0
    version = _libc().syscall(
        _LANDLOCK_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(_CREATE_RULESET_VERSION)
    )
    return max(0, int(version))


@dataclass(frozen=True, slots=True)
class _HandledAccess:
    """What a ruleset forbids unless a rule allows it: as much as this kernel's Landlock knows."""

    files: int
    network: int

    @classmethod
    def of(cls, version: int, *, may_connect: bool) -> "_HandledAccess":
        files = sum(rights for since, rights in _RIGHTS_BY_VERSION if version >= since)
        network = _BIND_TCP if may_connect else _BIND_TCP | _CONNECT_TCP
        return cls(files, network if version >= _NETWORK_SINCE_VERSION else 0)

    def render(self) -> bytes:
        """struct landlock_ruleset_attr, as long as this kernel's version has it."""
        return struct.pack("=QQ", self.files, self.network) if self.network else struct.pack("=Q", self.files)


def _restrict(handled: _HandledAccess, readable: tuple[Path, ...], writable: tuple[Path, ...]) -> bool:
    """Landlock: from now on only files beneath these folders can be opened. False if the kernel refused."""
    libc = _libc()
    attributes = handled.render()
    ruleset = libc.syscall(_LANDLOCK_CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), ctypes.c_uint32(0))
    if ruleset < 0:
        return False
    try:
        for path in readable:
            _allow(libc, ruleset, path, _READ_RIGHTS & handled.files)
        for path in writable:
            _allow(libc, ruleset, path, _WRITE_RIGHTS & handled.files)
        _allow(libc, ruleset, Path("/dev/null"), (_READ_FILE | _WRITE_FILE) & handled.files)
        return int(libc.syscall(_LANDLOCK_RESTRICT_SELF, ctypes.c_int(ruleset), ctypes.c_uint32(0))) == 0
    finally:
        os.close(ruleset)


def _allow(libc: ctypes.CDLL, ruleset: int, path: Path, rights: int) -> None:
    """A path that does not exist needs no rule."""
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        if not path.is_dir():
            rights &= _FILE_RIGHTS
        rule = ctypes.create_string_buffer(struct.pack("=Qi", rights, descriptor), 12)
        libc.syscall(
            _LANDLOCK_ADD_RULE, ctypes.c_int(ruleset), ctypes.c_int(_RULE_PATH_BENEATH), rule, ctypes.c_uint32(0)
        )
    finally:
        os.close(descriptor)


def _libc() -> ctypes.CDLL:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    return libc

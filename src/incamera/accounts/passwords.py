"""Passwords: which ones are taken, and how they are hashed without freezing the server.

Argon2id (RFC 9106) with p=1, t=3 and 46 MiB takes about 0.1 s and all of that memory, so hashing runs in two threads
and at most 32 callers wait; beyond that the answer is 503, not a slower server (X-09). Passwords are compared in
Unicode NFC, 10 to 128 characters, without rules about their composition (requirement B1a-02).
"""

import asyncio
import secrets
import unicodedata
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib.resources import files
from typing import Final, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from incamera.accounts.errors import PasswordTooEasy, PasswordTooLong, PasswordTooShort, TooBusyForPasswords

MIN_CHARACTERS: Final = 10
MAX_CHARACTERS: Final = 128
LEAST_SCORE: Final = 3  # zxcvbn: 10^8 guesses or more
_ESTIMATED_CHARACTERS: Final = 64  # the estimator is quadratic; what comes after can only make a password better

Result = TypeVar("Result")


def normalise_password(text: str) -> str:
    """NFC, so that the same password typed on two keyboards is the same. Spaces count."""
    return unicodedata.normalize("NFC", text)


def check_new_password(password: str, about_the_person: Iterable[str] = ()) -> None:
    """Raises a PasswordRefused. `about_the_person`: words a guesser would try first, such as the e-mail address."""
    if len(password) < MIN_CHARACTERS:
        raise PasswordTooShort(MIN_CHARACTERS)
    if len(password) > MAX_CHARACTERS:
        raise PasswordTooLong(MAX_CHARACTERS)
    from zxcvbn import zxcvbn  # its dictionaries take 0.1 s and 10 MiB: only who sets a password pays

    words = [*_common_words(), *(part for text in about_the_person for part in _parts(text))]
    if zxcvbn(password[:_ESTIMATED_CHARACTERS], user_inputs=words)["score"] < LEAST_SCORE:
        raise PasswordTooEasy


def _parts(text: str) -> list[str]:
    lowered = text.casefold()
    return [lowered, *(part for part in lowered.replace("@", ".").split(".") if len(part) > 2)]


@cache
def _common_words() -> tuple[str, ...]:
    """French words and our own that people take for passwords; the estimator itself knows the English ones."""
    text = files(__package__).joinpath("common_passwords.txt").read_text(encoding="utf-8")
    return tuple(line for line in text.splitlines() if line and not line.startswith("#"))


class PasswordKeeper:
    """Hashes and checks passwords in its own small thread pool. Close it when the server stops."""

    def __init__(
        self, *, time_cost: int = 3, memory_kib: int = 46 * 1024, threads: int = 2, most_waiting: int = 32
    ) -> None:
        self._hasher = PasswordHasher(time_cost=time_cost, memory_cost=memory_kib, parallelism=1)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="argon2")
        self._free_places = most_waiting
        # Compared when there is no account, so that this takes the same time (B1a-04). Nobody knows its password.
        self._nobody = self._hasher.hash(secrets.token_urlsafe(24))

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def hash(self, password: str) -> str:
        """An encoded `$argon2id$` hash; raises TooBusyForPasswords."""
        return await self._in_pool(lambda: self._hasher.hash(normalise_password(password)))

    async def check(self, password: str, password_hash: str | None) -> bool:
        """Whether it is this hash's password; None takes just as long and is never right."""
        return await self._in_pool(lambda: self._verify(password, password_hash))

    async def check_new(self, password: str, about_the_person: Iterable[str] = ()) -> None:
        """`check_new_password` off the event loop."""
        words = tuple(about_the_person)
        await self._in_pool(lambda: check_new_password(normalise_password(password), words))

    def needs_rehash(self, password_hash: str) -> bool:
        """Whether it was made with other parameters than today's."""
        return self._hasher.check_needs_rehash(password_hash)

    def _verify(self, password: str, password_hash: str | None) -> bool:
        is_possible = password_hash is not None and len(password) <= MAX_CHARACTERS
        tried = password_hash if is_possible and password_hash is not None else self._nobody
        try:
            return self._hasher.verify(tried, normalise_password(password[:MAX_CHARACTERS])) and is_possible
        except (VerificationError, InvalidHashError):
            return False

    async def _in_pool(self, work: Callable[[], Result]) -> Result:
        if self._free_places == 0:
            raise TooBusyForPasswords
        self._free_places -= 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        finally:
            self._free_places += 1

"""What can go wrong with accounts. What a stranger can see says the same for known and unknown people."""

import math
from datetime import timedelta
from typing import ClassVar

from incamera.kit.errors import IncameraError


class AccountError(IncameraError):
    """Root of this package's errors."""


class NotSignedIn(AccountError):
    status: ClassVar[int] = 401

    def __init__(self) -> None:
        super().__init__("You are not signed in, or the session is over. Sign in and try again.")


class SignInRefused(AccountError):
    status: ClassVar[int] = 401

    def __init__(self) -> None:
        super().__init__("E-mail address and password do not match. Check both and try again.")


class TooManyAttempts(AccountError):
    """Too many tries; wait as long as `Retry-After` says."""

    status: ClassVar[int] = 429

    def __init__(self, wait: timedelta) -> None:
        self.retry_after_s = max(1, math.ceil(wait.total_seconds()))  # type: ignore[misc]  # per error, not per class
        super().__init__(f"Too many tries. Wait {self.retry_after_s} seconds, then try again.")


class TooBusyForPasswords(AccountError):
    status: ClassVar[int] = 503
    retry_after_s: ClassVar[int | None] = 2

    def __init__(self) -> None:
        super().__init__("Too many people are signing in at this moment. Try again in a few seconds.")


class InvalidEmail(AccountError):
    status: ClassVar[int] = 422

    def __init__(self) -> None:
        super().__init__("The field email is not an e-mail address; write it like name@example.org.")


class InvalidCountry(AccountError):
    status: ClassVar[int] = 422

    def __init__(self) -> None:
        super().__init__("The field country is not a country code of two letters (ISO 3166-1), such as FR.")


class PasswordRefused(AccountError):
    """Root of the reasons why a new password is not taken."""


class PasswordTooShort(PasswordRefused):
    def __init__(self, least: int) -> None:
        super().__init__(f"The password is too short: take {least} characters or more; several words are easiest.")


class PasswordTooLong(PasswordRefused):
    def __init__(self, most: int) -> None:
        super().__init__(f"The password is too long: take {most} characters at most.")


class PasswordTooEasy(PasswordRefused):
    def __init__(self) -> None:
        super().__init__(
            "This password is among the first an attacker would try. Take several words that do not belong together."
        )


class WrongPassword(AccountError):
    status: ClassVar[int] = 403

    def __init__(self) -> None:
        super().__init__("The present password is not right. Nothing was changed.")


class SetupLinkRefused(AccountError):
    status: ClassVar[int] = 403

    def __init__(self) -> None:
        super().__init__(
            "This set-up link is used up or too old. Start the server again: it prints a new one while nobody owns it."
        )


class SetupDone(AccountError):
    status: ClassVar[int] = 409

    def __init__(self) -> None:
        super().__init__("This server has an owner already. Sign in instead.")


class AgeNotStated(AccountError):
    status: ClassVar[int] = 403

    def __init__(self) -> None:
        super().__init__(
            "An account needs your statement that you are old enough for it in your country; without it none is made."
        )


class SessionNotFound(AccountError):
    status: ClassVar[int] = 404

    def __init__(self) -> None:
        super().__init__("There is no such session of yours; it may have ended already.")

"""Basic and Digest authentication as RTSP uses them (RFC 2326 clause 14, RFC 7617, RFC 7616 with its older forms).

Where a Digest challenge is offered a password is never sent as Basic, not even when the digest cannot be answered: it
would hand the password to whoever stripped the rest of the offer.
"""

import base64
import binascii
import hashlib
import hmac
import re
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final, Literal
from urllib.parse import quote, unquote

from incamera.media.rtsp.errors import RtspProtocolError

_MAX_HEADER_CHARACTERS: Final = 4096
_SCHEME: Final = re.compile(r"\s*,?\s*([A-Za-z][A-Za-z0-9_-]*)(?:\s+(?=[^\s=,])|\s*$)")
_PARAMETER: Final = re.compile(r"\s*,?\s*([A-Za-z0-9_*-]+)\s*=\s*(?:\"((?:[^\"\\]|\\.)*)\"|([^\s,\"]*))")
_ESCAPE: Final = re.compile(r"\\(.)")

_HASHES: Final[dict[str, Callable[[bytes], "hashlib._Hash"]]] = {
    "SHA-256": hashlib.sha256,
    "MD5": lambda data: hashlib.md5(data, usedforsecurity=False),
}


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a person typed for this camera. Never in a log: `repr` hides the password."""

    username: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Challenge:
    """One offer of a WWW-Authenticate header. Parameter names are in small letters."""

    scheme: str  # small letters
    parameters: dict[str, str]

    def get(self, name: str, default: str = "") -> str:
        """A parameter's value."""
        return self.parameters.get(name, default)


def parse_challenges(values: Iterable[str]) -> list[Challenge]:
    """The offers in all WWW-Authenticate headers of an answer; text that is no challenge is skipped."""
    found: list[Challenge] = []
    for value in values:
        text = value[:_MAX_HEADER_CHARACTERS]
        at = 0
        while match := _SCHEME.match(text, at):
            parameters, at = _parse_parameters(text, match.end())
            found.append(Challenge(match[1].lower(), parameters))
    return found


def _parse_parameters(text: str, at: int) -> tuple[dict[str, str], int]:
    parameters: dict[str, str] = {}
    while match := _PARAMETER.match(text, at):
        quoted, token = match[2], match[3]
        parameters.setdefault(match[1].lower(), token if quoted is None else _ESCAPE.sub(r"\1", quoted))
        at = match.end()
    return parameters, at


class Authenticator:
    """Answers a server's challenges: remembers the offer and counts the uses of its nonce.

    It may outlive a connection: some cameras hang up once they have asked for a password. Then `reconnected` says that
    a new nonce is to be expected.
    """

    def __init__(self, credentials: Credentials, make_cnonce: Callable[[], str] = lambda: secrets.token_hex(8)) -> None:
        self._credentials = credentials
        self._make_cnonce = make_cnonce
        self._challenge: Challenge | None = None
        self._nonce_count = 0
        self._was_accepted = False
        self._expects_new_nonce = False

    @property
    def is_asked(self) -> bool:
        """The server wants credentials and has not taken any yet."""
        return self._challenge is not None and not self._was_accepted

    def reconnected(self) -> None:
        """The next requests go over a new connection."""
        self._expects_new_nonce = True

    def take_challenges(self, challenges: list[Challenge]) -> bool:
        """Remembers the best offer. False when trying again is useless: the credentials were refused.

        Raises RtspProtocolError when nothing offered can be answered.
        """
        chosen = _choose(challenges)
        before = self._challenge
        is_stale = chosen.get("stale").lower() == "true"
        # A camera may change its nonce in the middle of a session without calling the old one stale. So credentials
        # that were good before get one more try with the new nonce; fresh ones that fail are simply wrong.
        has_new_nonce = before is not None and chosen.get("nonce") != before.get("nonce")
        may_try = before is None or (has_new_nonce and (is_stale or self._was_accepted or self._expects_new_nonce))
        if may_try:
            self._challenge = chosen
            self._nonce_count = 0
            self._was_accepted = False
            self._expects_new_nonce = False
        return may_try

    def accepted(self) -> None:
        """The server answered an authorised request with anything but 401."""
        self._was_accepted = self._challenge is not None

    def authorise(self, method: str, url: str) -> str | None:
        """The Authorization header for a request; None as long as the server has not asked."""
        if self._challenge is None:
            return None
        if self._challenge.scheme == "basic":
            token = f"{self._credentials.username}:{self._credentials.password}".encode()
            return f"Basic {base64.b64encode(token).decode()}"
        self._nonce_count += 1
        return render_digest(self._challenge, self._credentials, method, url, self._nonce_count, self._make_cnonce())


def _choose(challenges: list[Challenge]) -> Challenge:
    """SHA-256 before MD5 before Basic; Basic only where no Digest is offered."""
    digests = [challenge for challenge in challenges if challenge.scheme == "digest"]
    for algorithm in _HASHES:
        for challenge in digests:
            if _algorithm(challenge) == algorithm and challenge.get("nonce") and _takes_auth(challenge):
                return challenge
    if digests:
        raise RtspProtocolError("it asks for a kind of digest authentication that we do not know")
    for challenge in challenges:
        if challenge.scheme == "basic":
            return challenge
    raise RtspProtocolError("it asks for authentication but not for Basic or Digest")


def _algorithm(challenge: Challenge) -> str:
    return challenge.get("algorithm", "MD5").upper().removesuffix("-SESS")


def _takes_auth(challenge: Challenge) -> bool:
    qop = challenge.get("qop")
    return not qop or "auth" in [option.strip().lower() for option in qop.split(",")]


def render_digest(
    challenge: Challenge, credentials: Credentials, method: str, url: str, nonce_count: int, cnonce: str
) -> str:
    """The Authorization header that answers a Digest challenge (RFC 7616 clause 3.4; without qop: RFC 2069)."""
    algorithm = _algorithm(challenge)
    is_session = challenge.get("algorithm").upper().endswith("-SESS")
    realm, nonce = challenge.get("realm"), challenge.get("nonce")
    has_qop = bool(challenge.get("qop"))
    count = f"{nonce_count:08x}"
    secret = _hash(algorithm, credentials.username, realm, credentials.password)
    if is_session:
        secret = _hash(algorithm, secret, nonce, cnonce)
    middle = (nonce, count, cnonce, "auth") if has_qop else (nonce,)
    answer = _hash(algorithm, secret, *middle, _hash(algorithm, method, url))
    fields = [
        _render_username(challenge, algorithm, credentials.username, realm),
        f"realm={_quote(realm)}",
        f"nonce={_quote(nonce)}",
        f"uri={_quote(url)}",
        f'response="{answer}"',
    ]
    if "algorithm" in challenge.parameters:
        fields.append(f"algorithm={challenge.get('algorithm')}")
    if "opaque" in challenge.parameters:
        fields.append(f"opaque={_quote(challenge.get('opaque'))}")
    if has_qop:
        fields += ["qop=auth", f"nc={count}"]
    if has_qop or is_session:
        fields.append(f'cnonce="{cnonce}"')
    return "Digest " + ", ".join(fields)


def _render_username(challenge: Challenge, algorithm: str, username: str, realm: str) -> str:
    """RFC 7616 clause 3.4.4 for those who ask for it; raw UTF-8 for the cameras, which know RFC 2617 only."""
    if challenge.get("userhash").lower() == "true":
        return f'username="{_hash(algorithm, username, realm)}", userhash=true'
    if not username.isascii() and challenge.get("charset").upper() == "UTF-8":
        return f"username*=UTF-8''{quote(username, safe='')}"
    return f"username={_quote(username)}"


def _quote(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + escaped.replace("\r", "").replace("\n", "") + '"'


def _hash(algorithm: str, *parts: str) -> str:
    return _HASHES[algorithm](":".join(parts).encode()).hexdigest()


class Gatekeeper:
    """The server's side: makes challenges for one connection and checks the answers, Digest or Basic."""

    def __init__(
        self, credentials: Credentials, realm: str, scheme: Literal["digest", "digest-sha256", "basic"] = "digest"
    ) -> None:
        self._credentials = credentials
        self._realm = realm
        self._scheme = scheme
        self._nonce = secrets.token_hex(16)

    def challenge(self) -> str:
        """The WWW-Authenticate header of an answer 401."""
        if self._scheme == "basic":
            return f"Basic realm={_quote(self._realm)}"
        algorithm = "SHA-256" if self._scheme == "digest-sha256" else "MD5"
        return f'Digest realm={_quote(self._realm)}, nonce="{self._nonce}", algorithm={algorithm}, qop="auth"'

    def admits(self, authorization: str | None, method: str) -> bool:
        """Whether a request's Authorization header proves that the sender knows the password."""
        for answer in parse_challenges([authorization] if authorization else []) or []:
            if answer.scheme == "digest" and self._scheme != "basic":
                return self._admits_digest(answer, method)
        if authorization and self._scheme == "basic" and authorization.lower().startswith("basic "):
            return self._admits_basic(authorization[6:].strip())
        return False

    def _admits_basic(self, token: str) -> bool:
        try:
            given = base64.b64decode(token, validate=True)
        except (binascii.Error, ValueError):
            return False
        wanted = f"{self._credentials.username}:{self._credentials.password}".encode()
        return hmac.compare_digest(given, wanted)

    def _admits_digest(self, answer: Challenge, method: str) -> bool:
        """Checks the answer to our own challenge; RFC 2069 answers (no qop) are taken as cameras take them."""
        algorithm = "SHA-256" if self._scheme == "digest-sha256" else "MD5"
        username = answer.get("username")
        if "username*" in answer.parameters:
            username = unquote(answer.get("username*").rpartition("'")[2])
        if username != self._credentials.username or answer.get("nonce") != self._nonce:
            return False
        secret = _hash(algorithm, username, self._realm, self._credentials.password)
        qop = answer.get("qop")
        middle = (self._nonce, answer.get("nc"), answer.get("cnonce"), qop) if qop else (self._nonce,)
        wanted = _hash(algorithm, secret, *middle, _hash(algorithm, method, answer.get("uri")))
        return hmac.compare_digest(answer.get("response").encode(), wanted.encode())

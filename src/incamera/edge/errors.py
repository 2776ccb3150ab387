"""What can go wrong for an edge as a whole, in words for the person who started it."""

from incamera.kit.errors import IncameraError


class EdgeError(IncameraError):
    """An edge cannot do its work. `is_final`: trying again without a person's help is pointless."""

    is_final = True


class InvalidServerAddress(EdgeError):
    def __init__(self, address: str) -> None:
        super().__init__(
            f"“{address}” is not the address of an Incamera server; give something like https://cams.example:8443."
        )


class PlainTextRefused(EdgeError):
    def __init__(self, host: str) -> None:
        super().__init__(
            f"Pictures would travel unencrypted to {host}; use https:// (http:// is for this machine only)."
        )


class InvalidEnrolmentCode(EdgeError):
    def __init__(self) -> None:
        super().__init__(
            "The enrolment code looks like XXXXX-XXXXX-FFFFFFFFFFFFFFFF (without the last part on the same machine); "
            "copy it again from the server's page for edges."
        )


class EnrolmentCodeMissing(EdgeError):
    def __init__(self) -> None:
        super().__init__(
            "This edge is not enrolled yet; get a code from the server's page for edges and give it as --code."
        )


class DataDirectoryUnusable(EdgeError):
    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"The edge cannot use its data folder {path}: {problem}.")


class EdgeAlreadyRunning(EdgeError):
    def __init__(self, path: str) -> None:
        super().__init__(f"Another edge is using the data folder {path}; stop it first or use another folder.")


class ServerUnreachable(EdgeError):
    """The line is down; the edge goes on trying."""

    is_final = False

    def __init__(self, problem: str) -> None:
        super().__init__(f"The server cannot be reached: {problem}; trying again.")


class NotAnIncameraServer(EdgeError):
    is_final = False

    def __init__(self, problem: str) -> None:
        super().__init__(f"Something answers at the server's address, but it is no Incamera server: {problem}.")


class CertificateUnknown(EdgeError):
    is_final = False

    def __init__(self) -> None:
        super().__init__(
            "The server's certificate is neither the one this edge knows nor one that this machine trusts. "
            "Nothing was sent. If the certificate was changed on purpose, enrol again with a fresh code."
        )


class RefusedByServer(EdgeError):
    """The server said no; its own words follow."""

    def __init__(self, reason: str, detail: str, *, is_final: bool) -> None:
        self.reason = reason
        self.is_final = is_final
        super().__init__(f"The server refused this edge: {detail}")


class LineLost(EdgeError):
    is_final = False

    def __init__(self, problem: str, *, was_server_stopping: bool = False) -> None:
        self.was_server_stopping = was_server_stopping
        super().__init__(f"The line to the server was lost: {problem}; trying again.")

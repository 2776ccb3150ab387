"""What can go wrong when the server wants something from an edge."""

from incamera.kit.errors import IncameraError


class UplinkError(IncameraError):
    """The edge could not be asked, or did not answer."""


class EdgeNotConnected(UplinkError):
    status = 503
    retry_after_s = 10

    def __init__(self) -> None:
        super().__init__("The edge beside this camera is not connected; check that it runs and has a network.")


class EdgeDidNotAnswer(UplinkError):
    status = 504

    def __init__(self, timeout_s: float) -> None:
        self.timeout_s = timeout_s
        super().__init__(f"The edge did not answer within {timeout_s:g} seconds; try again.")


class EdgeBusy(UplinkError):
    status = 429
    retry_after_s = 5

    def __init__(self) -> None:
        super().__init__("The edge is already busy with other requests; try again in a moment.")

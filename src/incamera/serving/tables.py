"""The answers kept for a day so that a repeated request is not done twice."""

from datetime import datetime

from sqlalchemy import LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from incamera.privacy import not_personal, personal
from incamera.storage.database import Base, UtcDateTime


class RepeatedRequestRow(Base):
    __tablename__ = "repeated_request"

    tag: Mapped[bytes] = mapped_column(
        LargeBinary(32), primary_key=True, info=not_personal("keyed hash of account, address and the client's key")
    )
    fingerprint: Mapped[bytes] = mapped_column(LargeBinary(32), info=not_personal("keyed hash of the request"))
    leased_until: Mapped[datetime] = mapped_column(UtcDateTime, info=not_personal("until when the first try may run"))
    made_at: Mapped[datetime] = mapped_column(
        UtcDateTime, index=True, info=not_personal("the clock of retention: when the request came")
    )
    status: Mapped[int | None] = mapped_column(info=not_personal("HTTP status; null while the first try runs"))
    answer: Mapped[bytes | None] = mapped_column(LargeBinary, info=personal("X.repeat_guard/answer"))

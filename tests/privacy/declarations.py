"""Small valid declarations with real tables behind them, for tests to break one at a time."""

from datetime import datetime

from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from incamera.privacy import (
    CONTRACT,
    LEGITIMATE_INTEREST,
    Activity,
    Basis,
    Datum,
    Keep,
    Purpose,
    Recipient,
    Reuse,
    Text,
    not_personal,
    personal,
)
from incamera.privacy.marks import Marks, isolated_marks
from incamera.privacy.operator_file import Operator
from incamera.privacy.registry import Registry
from incamera.storage.database import UtcDateTime


class Rows(DeclarativeBase):
    pass


class SessionRow(Rows):
    __tablename__ = "live_session"
    id: Mapped[int] = mapped_column(primary_key=True, info=not_personal("random row id"))
    viewer_ip: Mapped[str] = mapped_column(info=personal("B4.live_view/viewer_ip"))
    last_seen_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True, info=personal("B4.live_view/viewing_log"))
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime, index=True, info=not_personal("the end, if any"))
    started_at: Mapped[datetime] = mapped_column(UtcDateTime, info=not_personal("the beginning"))


class CardRow(Rows):
    __tablename__ = "device"
    id: Mapped[int] = mapped_column(primary_key=True, info=not_personal("random row id"))
    card: Mapped[str] = mapped_column(info=personal("B0.people_in_view/privacy_card"))
    removed_at: Mapped[datetime | None] = mapped_column(UtcDateTime, index=True, info=not_personal("removal"))


LIVE_VIEW = Activity(
    id="B4.live_view", seed="B.4", since="2026.1",
    name=Text(fr="Vue en direct", en="Live view"),
    summary=Text(fr="Montrer l’image en temps réel.", en="Show the picture in real time."),
    refusal=Text(fr="Pas de vue en direct.", en="No live view."),
    companion="B0.people_in_view",
    purposes=(Purpose(term="dpv:RequestedServiceProvision", text=Text(fr="montrer l’image", en="show the picture")),),
    basis=Basis(term=CONTRACT),
    data=(
        Datum(key="viewing_log", term="incam:ViewingLog", source="dpv:DataControllerDataSource"),
        Datum(key="viewer_ip", term="pd:IPAddress", required=False),
    ),
    reuses=(Reuse(datum="B0.people_in_view/privacy_card"),),
    keep=(Keep(data=("viewing_log", "viewer_ip"), max="P30D", ceiling="P90D", clock="live_session.last_seen_at"),),
    recipients=(Recipient(who="subject"), Recipient(who="owner"), Recipient(slot="turn_relay", default="off")),
)  # fmt: skip

PEOPLE = Activity(
    id="B0.people_in_view", since="2026.1",
    name=Text(fr="Personnes filmées", en="People in view"),
    summary=Text(fr="Dire ce que voit la caméra.", en="Say what the camera sees."),
    refusal=Text(fr="La caméra ne filme pas.", en="The camera captures nothing."),
    subjects=("incam:PersonInView",),
    purposes=(Purpose(term="dpv:EnforceSecurity", text=Text(fr="protéger un lieu", en="protect a place")),),
    basis=Basis(term=LEGITIMATE_INTEREST, interest=Text(fr="la sécurité du lieu", en="the safety of the place"),
                lia="docs/privacy/lia/people.md"),
    data=(Datum(key="privacy_card", term="incam:PrivacyCard"),),
    keep=(Keep(data=("privacy_card",), until="device.removed_at", grace="PT10M", action="crypto_shred"),),
    recipients=(Recipient(who="owner"),),
)  # fmt: skip


def a_registry(*activities: Activity, operator: Operator | None = None, marks: Marks | None = None) -> Registry:
    """A registry over the tables above; the two valid activities by default."""
    with isolated_marks() as empty:
        return Registry(activities or (LIVE_VIEW, PEOPLE), operator, marks=marks or empty, metadata=Rows.metadata)

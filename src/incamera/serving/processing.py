"""What meeting the network does with personal data: answers of creating requests are kept for a day, encrypted."""

from typing import Final

from incamera.privacy import CONTRACT, Activity, Basis, Datum, Keep, Purpose, Recipient, Rights, Storage, Text

REPEAT_GUARD: Final = Activity(
    id="X.repeat_guard",
    seed="inferred",
    since="2026.1",
    name=Text(fr="Ne rien faire deux fois", en="Doing nothing twice"),
    summary=Text(
        fr="Si votre application répète une demande après une coupure, rendre la même réponse au lieu de tout refaire.",
        en="When your app repeats a request after a broken line, give the same answer instead of doing it again.",
    ),
    refusal=Text(
        fr="Sans cela, une demande répétée pourrait être faite deux fois.",
        en="Without it a repeated request could be done twice.",
    ),
    purposes=(
        Purpose(
            term="dpv:TechnicalServiceProvision",
            text=Text(fr="reconnaître une demande répétée", en="recognise a repeated request"),
        ),
    ),
    basis=Basis(term=CONTRACT),
    data=(Datum(key="answer", term="incam:RepeatedAnswer", source="dpv:DataControllerDataSource"),),
    keep=(Keep(data=("answer",), max="P1D", ceiling="P1D", clock="repeated_request.made_at"),),
    storage=Storage(key_scope="account"),
    recipients=(Recipient(who="subject"),),
    rights=Rights(access="presence", erasure="shred"),
)

ACTIVITIES: Final = (REPEAT_GUARD,)

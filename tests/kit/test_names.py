import pytest

from incamera.kit.names import parse_name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("  Front   door ", "Front door"),
        ("Entre\u0301e", "Entrée"),
        ("الباب", "الباب"),
        ("👩\u200d👩\u200d👧", "👩\u200d👩\u200d👧"),
        ("\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f", None),  # a flag made of tags
        ("<b>", "<b>"),
        ("a\tb", "a b"),
    ],
)
def test_names_of_people_stay_as_they_are(text: str, name: str | None) -> None:
    assert parse_name(text) == (name or text)


@pytest.mark.parametrize(
    "text", ["", "  ", "\u200d", "\u0301", "a\x00", "a\x1bb", "a\u202eb", "\u2066x\u2069", "\ud800"]
)
def test_what_hides_or_reorders_is_no_name(text: str) -> None:
    with pytest.raises(ValueError, match="name"):
        parse_name(text)

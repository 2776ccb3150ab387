import asyncio
from collections.abc import Iterator

import pytest

from incamera.accounts.errors import PasswordTooEasy, PasswordTooLong, PasswordTooShort, TooBusyForPasswords
from incamera.accounts.passwords import PasswordKeeper, check_new_password


@pytest.fixture
def keeper() -> Iterator[PasswordKeeper]:
    keeper = PasswordKeeper(time_cost=1, memory_kib=64)
    yield keeper
    keeper.close()


@pytest.mark.req("B1a-02")
@pytest.mark.parametrize(
    ("password", "refusal"),
    [
        ("short", PasswordTooShort),
        ("x" * 129, PasswordTooLong),
        ("password123", PasswordTooEasy),
        ("azertyuiop", PasswordTooEasy),
        ("motdepasse2024", PasswordTooEasy),
        ("M0tdeP4sse", PasswordTooEasy),
        ("aaaaaaaaaaaaaaaa", PasswordTooEasy),
        ("abcdefghijklm", PasswordTooEasy),
        ("2024-11-24", PasswordTooEasy),
        ("zoe.dupont@example.org", PasswordTooEasy),
        ("incamera2026", PasswordTooEasy),
    ],
)
def test_easy_passwords_are_refused(password: str, refusal: type[Exception]) -> None:
    with pytest.raises(refusal):
        check_new_password(password, ["zoe.dupont@example.org", "Zoé"])


@pytest.mark.parametrize(
    "password", ["lampshade harvest 71 quiet", "k7#Qz9!mPv2x", "пароль из четырёх слов", "玄関の鍵は赤い箱の中"]
)
def test_good_passwords_need_no_recipe(password: str) -> None:
    check_new_password(password)


async def test_a_password_is_the_same_on_every_keyboard(keeper: PasswordKeeper) -> None:
    hashed = await keeper.hash("cafe\u0301 au lait 1234")

    assert hashed.startswith("$argon2id$")
    assert await keeper.check("caf\u00e9 au lait 1234", hashed)
    assert not await keeper.check("caf\u00e9 au lait 1235", hashed)
    assert not await keeper.check("caf\u00e9 au lait 1234", None)
    assert not await keeper.check("x", "not a hash")


async def test_parameters_are_those_of_the_requirement() -> None:
    keeper = PasswordKeeper()
    hashed = await keeper.hash("lampshade harvest 71 quiet")
    keeper.close()
    assert "$m=47104,t=3,p=1$" in hashed


@pytest.mark.req("X-09")
async def test_too_many_at_once_are_turned_away(keeper: PasswordKeeper) -> None:
    answers = await asyncio.gather(*(keeper.hash(str(number)) for number in range(40)), return_exceptions=True)

    assert sum(isinstance(answer, TooBusyForPasswords) for answer in answers) == 8
    assert await keeper.hash("later it is free again")

"""Secrets are read once for all that want them."""

import asyncio
from pathlib import Path

import pytest

from naru.errors import NaruError
from naru.site import secrets
from naru.site.secret import Secret
from naru.site.secrets import Secrets

from .test_check_asked import site

pytestmark = pytest.mark.unit


def test_one_is_read_once_for_all_that_want_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    printed = Secret(command=f"sh -c 'echo x >>{tmp_path}/runs; echo secret'")
    broken = Secret(command=f"sh -c 'echo x >>{tmp_path}/broken; exit 1'")

    def runs() -> list[str]:
        return [(tmp_path / name).read_text().replace("\n", "") for name in ("runs", "broken")]

    async def read() -> None:
        known = Secrets(site())

        async def all_of_them() -> list[str | BaseException]:
            wanted = [known.read(one, "power.password") for one in (printed, broken) * 20]
            return await asyncio.gather(*wanted, return_exceptions=True)

        for _ in range(2):
            found = await all_of_them()
            assert found[::2] == ["secret"] * 20 and all(isinstance(one, NaruError) for one in found[1::2])
        assert runs() == ["x", "x"]
        monkeypatch.setattr(secrets, "AGAIN", 0.0)  # the operator has logged in to the vault meanwhile
        await all_of_them()
        assert runs()[0] == "x" and len(runs()[1]) > 1
        known.forget(printed)
        await all_of_them()
        assert runs()[0] == "xx"

    asyncio.run(read())

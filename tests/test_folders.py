from pathlib import Path

import pytest

from retina.folders import user_cache_folder


def test_the_folder_is_the_users_choice_or_the_platforms(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RETINA_CACHE", "somewhere")
    assert user_cache_folder() == Path("somewhere").absolute()
    monkeypatch.delenv("RETINA_CACHE")
    assert user_cache_folder().name == "retina"
    assert user_cache_folder().is_absolute()

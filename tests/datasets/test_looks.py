import json
from pathlib import Path

import pytest
from PIL import Image

from retina.datasets import looks, parallel
from retina.datasets.leakage import digest_of
from retina.datasets.looks import Look, look_at
from retina.datasets.parallel import Unreadable
from retina.images.decode import load_fundus
from tests.datasets.pictures import write_pictures


@pytest.fixture
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("RETINA_CACHE", str(folder))
    return folder


def digests(paths: list[str]) -> list[str]:
    return [look.digest for look in look_at(paths) if isinstance(look, Look)]


def test_it_is_remembered_until_the_file_changes(
    tmp_path: Path, memory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = write_pictures(tmp_path, ["a.png", "b.png"])
    first = digests(paths)
    assert first == [digest_of(load_fundus(path)) for path in paths]

    decoded: list[str] = []

    def recorded(path: str) -> Image.Image:
        decoded.append(path)
        return load_fundus(path)

    monkeypatch.setattr(looks, "load_fundus", recorded)
    assert digests(paths) == first
    assert decoded == []
    Image.new("RGB", (48, 48)).save(paths[1])
    assert digests(paths)[0] == first[0]
    assert decoded == [paths[1]]
    [file] = memory.iterdir()
    file.write_text("[1, 2")
    assert digests(paths)[0] == first[0]
    assert len(json.loads(file.read_text())) == 2


def test_unreadable_pictures_do_not_stop_the_others(
    tmp_path: Path, memory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parallel, "WORTH_PROCESSES", 2)
    paths = write_pictures(tmp_path, [f"{number}.png" for number in range(7)])
    Path(paths[3]).write_text("not a picture")
    Path(paths[5]).unlink()
    seen = look_at(paths)
    assert [index for index, d in enumerate(seen) if isinstance(d, Unreadable)] == [3, 5]
    assert isinstance(seen[6], Look)
    assert seen[6].digest == digest_of(load_fundus(paths[6]))
    assert isinstance(seen[3], Unreadable)
    assert seen[3].path == paths[3]
    assert "3.png" in seen[3].reason

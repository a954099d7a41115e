"""Where results go: mirrored, never colliding, never on an input, whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from blur_tools import OutputError
from blur_tools.batch.outputs import Outputs, local_path, write_atomic
from blur_tools.picture import FORMATS
from blur_tools.sources import Source

JPEG, PNG = FORMATS["JPEG"], FORMATS["PNG"]


def touch(*paths: Path) -> list[str]:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"original")
    return [str(path) for path in paths]


def written(outputs: Outputs, sources: list, kind=JPEG) -> list[str]:
    results = []
    for source in sources:
        name = source if isinstance(source, str) else "picture"
        loaded = Source(str(source).encode(), os.path.basename(name), str(source))
        results.append(outputs.write(source, loaded, kind, b"result of " + str(source).encode()))
    return results


def test_absolute_paths_keep_their_place_below_the_folder_they_share(tmp_path):
    sources = touch(tmp_path / "in/a/1.jpg", tmp_path / "in/b/1.jpg", tmp_path / "in/b/c/2.jpg")
    outputs = Outputs(tmp_path / "out", sources)
    assert written(outputs, sources) == ["out/a/1.jpg", "out/b/1.jpg", "out/b/c/2.jpg"]
    assert (tmp_path / "out/b/1.jpg").read_bytes() == b"result of " + sources[1].encode()


def test_relative_and_absolute_paths_have_one_rule(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    touch(Path("photos/north/a.jpg"), Path("photos/b.jpg"))
    sources = ["photos/north/a.jpg", str(tmp_path / "photos/b.jpg")]
    assert written(Outputs("blurred", sources), sources) == ["blurred/north/a.jpg", "blurred/b.jpg"]
    assert Path("blurred/north/a.jpg").is_file()


def test_names_of_an_earlier_run_are_kept(tmp_path):
    sources = touch(tmp_path / "in/south/a.jpg")
    outputs = Outputs(tmp_path / "out", sources, known=[(sources[0], "south/a.jpg")])
    assert written(outputs, sources) == ["out/south/a.jpg"]


def test_two_results_never_share_a_name(tmp_path):
    outputs = Outputs(tmp_path / "out", [])
    picture = Source(b"same", "x.jpg", "x.jpg")
    outputs.write(b"same", picture, JPEG, b"one result")
    assert outputs.write(b"same", picture, JPEG, b"one result").startswith("out/x-")
    with pytest.raises(OutputError, match="another result"):
        outputs.write(b"same", picture, JPEG, b"another result")


def test_what_an_earlier_run_left_for_a_failed_picture_goes(tmp_path):
    sources = touch(tmp_path / "in/a.jpg", tmp_path / "in/b.jpg")
    outputs = Outputs(tmp_path / "out", sources)
    written(outputs, sources)
    again = Outputs(tmp_path / "out", sources)
    again.discard(sources[0])
    again.discard(b"bytes have no place")
    assert os.listdir(tmp_path / "out") == ["b.jpg"]
    assert Path(sources[0]).read_bytes() == b"original"


def test_the_result_of_an_original_that_is_gone_stays(tmp_path):
    sources = touch(tmp_path / "in/a.jpg", tmp_path / "in/b.jpg")
    written(Outputs(tmp_path / "out", sources), sources)
    os.remove(sources[0])
    Outputs(tmp_path / "out", sources).discard(sources[0])
    assert sorted(os.listdir(tmp_path / "out")) == ["a.jpg", "b.jpg"]


def test_a_folder_that_holds_unlisted_originals_is_refused(tmp_path):
    sources = touch(tmp_path / "in/sub/a.jpg")
    touch(tmp_path / "in/a.jpg")
    with pytest.raises(OutputError, match="holds originals"):
        Outputs(tmp_path / "in", sources)
    assert (tmp_path / "in/a.jpg").read_bytes() == b"original"


def test_a_linked_folder_is_called_as_it_was_given(tmp_path):
    sources = touch(tmp_path / "in/a.jpg")
    (tmp_path / "store").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "store")
    assert written(Outputs(tmp_path / "out", sources), sources) == ["out/a.jpg"]


def test_long_names_that_the_file_system_takes_are_written(tmp_path):
    name = "漢" * 80 + ".jpg"
    sources = touch(tmp_path / "in" / name)
    assert written(Outputs(tmp_path / "out", sources), sources) == [f"out/{name}"]


def test_a_missing_file_does_not_move_the_others(tmp_path):
    sources = touch(tmp_path / "in/a/1.jpg")
    outputs = Outputs(tmp_path / "out", ["/nowhere/else.jpg", *sources])
    assert written(outputs, sources) == ["out/1.jpg"]


def test_the_root_is_what_paths_are_relative_to(tmp_path):
    sources = touch(tmp_path / "in/a/1.jpg")
    assert written(Outputs(tmp_path / "out", sources, tmp_path / "in"), sources) == ["out/a/1.jpg"]


def test_results_never_leave_the_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    touch(tmp_path / "in/x.jpg", tmp_path / "y.jpg")
    os.makedirs("work")
    monkeypatch.chdir("work")
    sources = ["../in/x.jpg", "../y.jpg"]
    outputs = Outputs("out", sources)
    for name in written(outputs, sources):
        assert (Path(name).resolve()).is_relative_to(Path("out").resolve())
        assert Path(name).is_file()


def test_an_ending_that_lies_gets_the_right_one_added(tmp_path):
    sources = touch(tmp_path / "in/a.jpg", tmp_path / "in/b.JPEG")
    assert written(Outputs(tmp_path / "out", sources), sources, PNG) == ["out/a.jpg.png", "out/b.JPEG.png"]
    assert written(Outputs(tmp_path / "out", sources), sources, JPEG) == ["out/a.jpg", "out/b.JPEG"]


def test_an_honest_ending_never_lands_on_another_result(tmp_path):
    sources = touch(tmp_path / "in/a.jpg", tmp_path / "in/a.jpg.png")
    names = written(Outputs(tmp_path / "out", sources), sources, PNG)
    assert len(set(names)) == 2
    assert names[1] == "out/a.jpg.png"


def test_names_that_differ_only_in_case_do_not_collide(tmp_path):
    sources = [*touch(tmp_path / "in/a.jpg"), str(tmp_path / "in/A.jpg")]
    names = written(Outputs(tmp_path / "out", sources), sources)
    assert len({name.casefold() for name in names}) == 2


def test_urls_and_bytes_are_named_by_name_and_content(tmp_path):
    outputs = Outputs(tmp_path / "out", ["https://a.example/x.jpg?size=1", b"bytes"])
    one = outputs.write("https://a.example/x.jpg?size=1", Source(b"1", "x.jpg", "x"), JPEG, b"1")
    two = outputs.write("https://b.example/x.jpg", Source(b"2", "x.jpg", "x"), JPEG, b"2")
    bare = outputs.write(b"bytes", Source(b"3", "picture", "picture"), PNG, b"3")
    assert one == f"out/x-{Source(b'1', '', '').digest[:16]}.jpg"
    assert one != two
    assert bare.startswith("out/picture-")
    assert bare.endswith(".png")


@pytest.mark.parametrize("out", ["in", "in/.", "link"])
def test_a_result_that_would_replace_an_original_is_refused_before_anything_is_done(tmp_path, out):
    sources = touch(tmp_path / "in/a.jpg", tmp_path / "in/b.jpg")
    (tmp_path / "link").symlink_to(tmp_path / "in")
    with pytest.raises(OutputError, match="holds originals"):
        Outputs(tmp_path / out, sources)
    assert Path(sources[0]).read_bytes() == b"original"


def test_an_honest_ending_that_would_hit_an_original_is_refused(tmp_path):
    (picture,) = touch(tmp_path / "in/a.jpg")
    outputs = Outputs(tmp_path / "out", [picture, str(tmp_path / "out/a.jpg.png")], tmp_path / "in")
    touch(tmp_path / "out/a.jpg.png")  # appears while the run is under way
    with pytest.raises(OutputError, match="would replace the original"):
        outputs.write(picture, Source(b"x", "a.jpg", picture), PNG, b"x")
    assert (tmp_path / "out/a.jpg.png").read_bytes() == b"original"


def test_a_folder_that_is_a_file_is_refused(tmp_path):
    touch(tmp_path / "out")
    with pytest.raises(OutputError, match="is a file"):
        Outputs(tmp_path / "out", [])


def test_a_source_of_a_callers_own_stays_in_the_folder(tmp_path):
    source = Source(b"\x89PNG", "../../escaped.png", "x")
    out = tmp_path / "deep" / "out"
    Outputs(out, [source]).write(source, source, FORMATS["PNG"], b"data")
    assert [path.parent for path in tmp_path.rglob("*.png")] == [out]


def test_writing_replaces_whole_files_and_leaves_nothing_behind(tmp_path):
    target = tmp_path / "a/b.jpg"
    write_atomic(target, b"one")
    write_atomic(target, b"two")
    assert target.read_bytes() == b"two"
    assert os.listdir(target.parent) == ["b.jpg"]


def test_a_failed_write_leaves_nothing(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OutputError, match="No space left"):
        write_atomic(tmp_path / "b.jpg", b"data")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("a/b.jpg", Path("a/b.jpg")),
        (Path("a.jpg"), Path("a.jpg")),
        ("https://a.example/b.jpg", None),
        ("file:///a.jpg", None),
        (b"bytes", None),
        (None, None),
        ("", None),
    ],
)
def test_what_names_a_file_of_this_machine(source, expected):
    assert local_path(source) == expected

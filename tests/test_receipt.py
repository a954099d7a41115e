"""Receipts: what they hold, and that any change to them or to the files is found."""

from __future__ import annotations

import json
import os
import shutil

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from blur_tools.audit._receipt_chain import Chain
from blur_tools.audit.receipt import check_receipt, differing_pictures, write_receipt
from blur_tools.cli import main
from blur_tools.detections import Detection, Detections, box_polygon
from blur_tools.errors import AuditError, OutputError, SettingsError

FOUND = Detections(
    [
        Detection("plate", box_polygon(10, 10, 40, 20), 0.9, "local:p0", result={"plate": "ab12cde"}),
        Detection("face", box_polygon(50, 10, 70, 30), None, "person:Ann", keep=True),
    ]
)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A folder of originals, one of results, their table, and receipts with and without a key."""
    folder = tmp_path_factory.mktemp("run")
    rows = []
    for number, name in enumerate(("a/AB12CDE.jpg", "a/two.jpg", "three.png")):
        for part, text in (("photos", "original"), ("blurred", "result")):
            (folder / part / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / part / name).write_text(f"{text} {number}")
        rows.append({"image": str(folder / "photos" / name), "blurred": f"blurred/{name}", "status": "ok",
                     "detections": FOUND.to_json(), "method": "lossless", "decision": "edited", "reviewer": "Ann",
                     "decided_at": "2026-01-02T03:04:05+00:00"})  # fmt: skip
    (folder / "photos/bad.jpg").write_text("bad")
    rows.append({"image": str(folder / "photos/bad.jpg"), "status": "failed", "error": "AB12CDE is no picture"})
    frame = pd.DataFrame(rows)
    frame.to_csv(folder / "blurred.csv", index=False)
    (folder / "key").write_bytes(bytes(range(32)))
    head = write_receipt(folder / "receipt.jsonl", frame, out=folder / "blurred", plates=9, skip_regexp="AB12")
    keyed = write_receipt(
        folder / "keyed.jsonl", frame, out=folder / "blurred", key=folder / "key", hash_names=True,
        pseudonyms={"Ann": "R7"},
    )  # fmt: skip
    return folder, frame, head, keyed


@pytest.fixture
def copy(run, tmp_path):
    shutil.copytree(run[0], tmp_path / "run")
    return tmp_path / "run"


def lines_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_receipt_tells_what_was_done(run):
    folder, _, head, _ = run
    first, *entries, end = lines_of(folder / "receipt.jsonl")
    assert (first["type"], first["previous"], first["chain"]) == ("blur_tools.receipt", "", "sha256")
    assert first["settings"] == {"effect": "gaussian", "plates": 9, "faces": 10, "shape": "ellipse", "feather": 0.0,
                                 "margin": {"plate": 0.15, "face": 0.25}, "skip_regexp": "1 given"}  # fmt: skip
    assert {"blur_tools", "Pillow"} <= first["versions"].keys()
    assert [entry["number"] for entry in entries] == [1, 2, 3, 4]
    assert entries[0]["input"]["name"] == "a/AB12CDE.jpg"
    assert entries[0]["output"]["bytes"] == len("result 0")
    assert entries[0]["detections"][0]["polygon"] == [[10, 10], [40, 10], [40, 20], [10, 20]]
    assert (entries[0]["decision"], entries[0]["reviewer"]) == ("edited", "reviewer 1")
    assert entries[0]["detections"][1]["source"] == "person:reviewer 1"
    assert (entries[3]["status"], entries[3]["output"], entries[3]["detections"]) == ("failed", None, None)
    assert end["files"] == 4
    assert len(head) == 64


def test_no_text_of_a_plate_and_no_name_of_a_person_is_in_it(run):
    folder, *_ = run
    plain, keyed = (path.read_text() for path in (folder / "receipt.jsonl", folder / "keyed.jsonl"))
    assert "ab12cde" not in plain
    assert "Ann" not in plain + keyed
    assert "AB12" not in plain.replace("a/AB12CDE.jpg", "")  # names are plain unless asked
    assert "AB12" not in keyed
    assert "two.jpg" not in keyed
    assert '"reviewer":"R7"' in keyed


@pytest.mark.parametrize("name", ["receipt.jsonl", "keyed.jsonl"])
def test_what_was_not_touched_is_as_it_was(run, name):
    folder, _, head, keyed = run
    key = folder / "key" if name == "keyed.jsonl" else None
    check = check_receipt(
        folder / name, head=keyed if key else head, folder=folder / "blurred", originals=folder / "photos", key=key
    )
    assert check.differences == ()
    assert check.files == 3
    assert check.caveats == ()
    assert check.originals == 4
    assert "made anew as a whole" in "".join(check_receipt(folder / "receipt.jsonl").caveats)
    keyed = check_receipt(folder / "keyed.jsonl", key=folder / "key")
    assert "an older receipt of the same key" in "".join(keyed.caveats)


@pytest.mark.parametrize("head", ["", " ", "0" * 63, "x" * 64, "0" * 65])
def test_what_is_no_hash_is_refused(run, head, capsys):
    folder, *_ = run
    with pytest.raises(SettingsError, match="is no hash of a receipt"):
        check_receipt(folder / "receipt.jsonl", head=head)
    assert main(["verify", str(folder / "blurred"), "--receipt", str(folder / "receipt.jsonl"), "--head", head]) == 2
    assert "all as the receipt says" not in capsys.readouterr().out


def test_a_hash_may_be_written_in_capitals(run):
    folder, _, head, _ = run
    assert check_receipt(folder / "receipt.jsonl", head=f" {head.upper()}\n").differences == ()


def found(folder, head, name="receipt.jsonl", key=None):
    """What a check finds: kinds of differences, or "refused"."""
    try:
        check = check_receipt(folder / name, head=head, folder=folder / "blurred", key=key)
    except AuditError:
        return {"refused"}
    return {difference.kind for difference in check.differences}


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_byte_of_the_receipt_that_is_changed_is_found(run, tmp_path_factory, data):
    folder, _, head, keyed = run
    name, hashed, key = data.draw(
        st.sampled_from(
            [
                ("receipt.jsonl", head, None),
                ("keyed.jsonl", keyed, folder / "key"),
                ("keyed.jsonl", None, folder / "key"),
            ]
        )
    )
    whole = (folder / name).read_bytes()
    at = data.draw(st.integers(0, len(whole) - 1))
    how = data.draw(st.sampled_from(["change", "drop", "insert", "cut"]))
    byte = bytes([data.draw(st.integers(0, 255).filter(lambda value: value != whole[at]))])
    after = {"change": byte + whole[at + 1 :], "drop": whole[at + 1 :], "insert": byte + whole[at:], "cut": b""}[how]
    changed = tmp_path_factory.mktemp("changed") / name
    changed.write_bytes(whole[:at] + after)
    if changed.read_bytes() == whole:
        return
    try:
        check = check_receipt(changed, head=hashed, key=key)
    except AuditError:
        return
    assert check.differences


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_entries_that_are_dropped_added_or_reordered_are_found_with_their_tail_recomputed(run, tmp_path_factory, data):
    """Whoever knows how a receipt is made can make the chain whole again, but not its last hash."""
    from blur_tools.audit._receipt_chain import Chain
    from blur_tools.audit.receipt import receipt_lines

    folder, _, head, _ = run
    first, *entries, _ = lines_of(folder / "receipt.jsonl")
    order = data.draw(st.lists(st.integers(0, 3), max_size=6).filter(lambda order: order != [0, 1, 2, 3]))
    plain = [{k: v for k, v in entries[i].items() if k not in ("previous", "type", "number")} for i in order]
    first.pop("previous")
    changed = tmp_path_factory.mktemp("changed") / "receipt.jsonl"
    changed.write_bytes(b"".join(receipt_lines(Chain(None), first, iter(plain))))
    assert check_receipt(changed).differences == ()  # it is whole in itself
    assert [d.name for d in check_receipt(changed, head=head).differences] == ["the last line"]
    with pytest.raises(AuditError, match="written without a key"):
        check_receipt(changed, key=folder / "key")


def test_a_tail_without_the_key_is_found_even_without_the_hash(run, tmp_path):
    from blur_tools.audit._receipt_chain import Chain
    from blur_tools.audit.receipt import receipt_lines

    folder, *_ = run
    first, *entries, _ = lines_of(folder / "keyed.jsonl")
    plain = [{k: v for k, v in entry.items() if k not in ("previous", "type", "number")} for entry in entries[:2]]
    first.pop("previous")
    (tmp_path / "forged.jsonl").write_bytes(b"".join(receipt_lines(Chain(b"another key, 16 b"), first, iter(plain))))
    assert check_receipt(tmp_path / "forged.jsonl", key=folder / "key").differences


@pytest.mark.parametrize("seal", ["none", "that of the whole", "empty", "of no key"])
@pytest.mark.parametrize("kept", [0, 1, 3])
def test_with_a_key_a_receipt_that_was_cut_cannot_be_ended_anew(run, tmp_path, kept, seal):
    """What the next line says of the line before it is known to who cuts it off; the seal is not."""
    folder, *_ = run
    lines = (folder / "keyed.jsonl").read_bytes().splitlines(keepends=True)
    parsed = lines_of(folder / "keyed.jsonl")
    end = {"previous": parsed[kept + 1]["previous"], "type": "end", "files": kept}
    more = {"that of the whole": parsed[-1]["seal"], "empty": "", "of no key": "0" * 64}
    end |= {"seal": more[seal]} if seal in more else {}
    data = json.dumps(end, separators=(",", ":")).encode() + b"\n"
    (tmp_path / "cut.jsonl").write_bytes(b"".join([*lines[: kept + 1], data]))
    found = check_receipt(tmp_path / "cut.jsonl", key=folder / "key").differences
    assert [(d.name, d.detail) for d in found] == [(f"line {kept + 2}", "is no end of this receipt")]


@pytest.mark.parametrize("key", [False, True])
def test_the_end_is_known_to_the_byte(run, tmp_path, key):
    """Spaces and further entries in it would be a place for something that no kept hash is needed to change."""
    folder, *_ = run
    lines = (folder / ("keyed.jsonl" if key else "receipt.jsonl")).read_bytes().splitlines(keepends=True)
    end = json.loads(lines[-1])
    for data in (json.dumps(end), json.dumps(end | {"note": "x"}, separators=(",", ":"))):
        (tmp_path / "r.jsonl").write_bytes(b"".join([*lines[:-1], data.encode() + b"\n"]))
        check = check_receipt(tmp_path / "r.jsonl", key=folder / "key" if key else None)
        assert [d.detail for d in check.differences] == ["is no end of this receipt"]


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_byte_of_a_result_that_is_changed_is_found(run, tmp_path_factory, data):
    folder, _, head, keyed = run
    copied = tmp_path_factory.mktemp("files") / "run"
    shutil.copytree(folder, copied)
    path = copied / "blurred" / data.draw(st.sampled_from(["a/AB12CDE.jpg", "a/two.jpg", "three.png"]))
    whole = path.read_bytes()
    at = data.draw(st.integers(0, len(whole) - 1))
    byte = bytes([data.draw(st.integers(0, 255).filter(lambda value: value != whole[at]))])
    path.write_bytes(whole[:at] + data.draw(st.sampled_from([byte + whole[at + 1 :], whole[at + 1 :], b""])))
    for name, hashed, key in (("receipt.jsonl", head, None), ("keyed.jsonl", keyed, copied / "key")):
        assert found(copied, hashed, name, key) == {"changed"}


@pytest.mark.parametrize(("name", "key"), [("receipt.jsonl", False), ("keyed.jsonl", True)])
def test_missing_added_and_swapped_results_are_found(run, copy, name, key):
    _, _, head, keyed = run
    facts = (keyed if key else head, name, copy / "key" if key else None)
    (copy / "blurred/extra.jpg").write_text("extra")
    assert found(copy, *facts) == {"added"}
    (copy / "blurred/extra.jpg").unlink()
    (copy / "blurred/three.png").rename(copy / "blurred/four.png")
    assert found(copy, *facts) == {"missing", "added"}
    (copy / "blurred/four.png").rename(copy / "blurred/three.png")
    one, two = (copy / "blurred/a" / name for name in ("AB12CDE.jpg", "two.jpg"))
    contents = one.read_bytes(), two.read_bytes()
    one.write_bytes(contents[1])
    two.write_bytes(contents[0])
    assert found(copy, *facts) == {"changed"}


def linked_file(folder):
    (folder / "blurred/extra.jpg").symlink_to(folder / "photos/three.png")


def linked_folder(folder):
    (folder / "blurred/more").symlink_to(folder / "photos", target_is_directory=True)


def pipe(folder):
    os.mkfifo(folder / "blurred/extra.jpg")


def name_that_is_written_alike(folder):
    os.rename(folder / "blurred/three.png", os.fsencode(folder / "blurred") + b"/a\xff.png")
    (folder / "blurred/a\\udcff.png").write_text("result 2")


@pytest.mark.parametrize("add", [linked_file, linked_folder, pipe])
def test_links_and_pipes_are_added_and_never_opened(run, copy, add):
    _, _, head, keyed = run
    add(copy)
    assert found(copy, head) == {"added"}
    assert found(copy, keyed, "keyed.jsonl", copy / "key") == {"added"}


@pytest.mark.parametrize("instead", ["link", "pipe"])
def test_a_result_that_is_a_link_or_a_pipe_now_is_changed(run, copy, instead):
    _, frame, head, _ = run
    place, elsewhere = copy / "blurred/three.png", copy / "elsewhere.png"
    place.rename(elsewhere)
    if instead == "link":
        place.symlink_to(elsewhere)  # the same bytes today, others tomorrow
    else:
        os.mkfifo(place)
    assert found(copy, head) == {"changed"}
    with pytest.raises(OutputError, match=r"by a link|no file but a link or a device"):
        write_receipt(copy / "new.jsonl", frame, out=copy / "blurred")


def test_names_that_a_receipt_writes_alike_are_a_difference(run, copy):
    _, frame, *_ = run
    try:
        name_that_is_written_alike(copy)
    except OSError:
        pytest.skip("this file system has no such names")
    names = [*frame["blurred"][:2], os.fsdecode(b"blurred/a\xff.png"), None]
    frame = frame.assign(blurred=pd.Series(names, dtype=object))
    head = write_receipt(copy / "new.jsonl", frame, out=copy / "blurred")
    assert found(copy, head, "new.jsonl") == {"added"}
    (copy / "blurred/a\\udcff.png").unlink()
    assert found(copy, head, "new.jsonl") == set()


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="who may read everything is not stopped")
def test_a_folder_that_cannot_be_read_is_told(run, copy):
    _, _, head, _ = run
    (copy / "blurred/a").chmod(0)
    try:
        assert found(copy, head) == {"refused"}
    finally:
        (copy / "blurred/a").chmod(0o755)


@pytest.mark.parametrize(
    "name", ["/etc/hostname", "../photos/three.png", "a/../three.png", "", "./three.png", "a//two.jpg"]
)
def test_a_table_that_leads_out_of_the_results_is_refused(run, copy, name):
    _, frame, *_ = run
    frame = frame.assign(blurred=[f"blurred/{name}", *frame["blurred"][1:]])
    with pytest.raises(OutputError, match="is no name of a result below"):
        write_receipt(copy / "new.jsonl", frame, out=copy / "blurred")
    (copy / "blurred/out").symlink_to(copy / "photos", target_is_directory=True)
    frame = frame.assign(blurred=["blurred/out/three.png", *frame["blurred"][1:]])
    with pytest.raises(OutputError, match="leads out of it by a link"):
        write_receipt(copy / "new.jsonl", frame, out=copy / "blurred")
    assert not (copy / "new.jsonl").exists()


def test_originals_that_could_not_be_read_are_told(run, copy, caplog, capsys):
    _, frame, *_ = run
    frame = frame.assign(image=[*frame["image"][:2], str(copy / "gone.png"), "https://example.com/x.jpg?token=s3cret"])
    head = write_receipt(copy / "new.jsonl", frame, out=copy / "blurred")
    assert "2 of 4 originals could not be read" in caplog.text
    check = check_receipt(copy / "new.jsonl", head=head, originals=copy / "photos")
    assert (check.originals, check.differences) == (2, ())
    assert check.caveats[0].startswith("of 2 of 4 originals nothing is known")
    assert main(["verify", str(copy / "blurred"), "--receipt", str(copy / "new.jsonl"), "--head", head,
                 "--against", str(copy / "photos")]) == 0  # fmt: skip
    told = capsys.readouterr()
    assert "3 results and 2 originals as written down" in told.out
    assert "of 2 of 4 originals nothing is known" in told.err
    assert "s3cret" not in (copy / "new.jsonl").read_text() + told.err + caplog.text


@pytest.mark.parametrize("key", [False, True])
def test_originals_in_one_folder_of_that_which_is_given_are_found(run, copy, key):
    """The command line names the folder of all pictures, also where those of the run are in one folder of it."""
    _, frame, *_ = run
    for name in ("AB12CDE.jpg", "two.jpg"):
        (copy / "photos/b").mkdir(exist_ok=True)
        (copy / "photos/b" / name).write_text("another of the name") if name == "two.jpg" else None
    frame = frame.iloc[:2].assign(image=[str(copy / "photos/a" / name) for name in ("AB12CDE.jpg", "two.jpg")])
    facts = {"key": copy / "key", "hash_names": True} if key else {}
    head = write_receipt(copy / "new.jsonl", frame, out=copy / "blurred", **facts)
    facts.pop("hash_names", None)
    check = check_receipt(copy / "new.jsonl", head=head, originals=copy / "photos", **facts)
    assert (check.originals, check.differences) == (2, ())
    assert check.caveats == (f"the originals that the receipt names were looked for in {copy / 'photos/a'}",)
    (copy / "photos/a/two.jpg").write_text("changed")
    check = check_receipt(copy / "new.jsonl", head=head, originals=copy / "photos", **facts)
    assert [(d.kind, d.name) for d in check.differences] == [("original changed", str(copy / "photos/a/two.jpg"))]


def test_nothing_but_an_earlier_receipt_is_replaced(run, copy, monkeypatch, capsys):
    _, frame, *_ = run
    monkeypatch.chdir(copy)
    for name in ("blurred.csv", "key", "photos/three.png"):
        was = (copy / name).read_bytes()
        assert main(["receipt", "blurred.csv", "-o", name, "--key", "key"]) == 2
        assert "is there and is no receipt" in capsys.readouterr().err
        assert (copy / name).read_bytes() == was
    write_receipt(copy / "receipt.jsonl", frame, out=copy / "blurred")
    write_receipt(copy / "keyed.jsonl", frame, out=copy / "blurred")


def test_originals_are_compared_where_they_are_given(run, copy):
    _, _, head, _ = run
    (copy / "photos/a/two.jpg").write_text("another")
    (copy / "photos/three.png").unlink()
    check = check_receipt(copy / "receipt.jsonl", head=head, folder=copy / "blurred", originals=copy / "photos")
    assert [d.kind for d in check.differences] == ["original changed", "original missing"]


def test_what_cannot_be_written_or_read_is_told(run, copy):
    _, frame, _, _ = run
    with pytest.raises(SettingsError, match="a key file is needed"):
        write_receipt(copy / "r.jsonl", frame, out=copy / "blurred", hash_names=True)
    (copy / "short").write_text("short")
    with pytest.raises(SettingsError, match="fewer than 16 bytes"):
        write_receipt(copy / "r.jsonl", frame, out=copy / "blurred", key=copy / "short")
    with pytest.raises(OutputError, match="lies among the results"):
        write_receipt(copy / "blurred/r.jsonl", frame, out=copy / "blurred")
    (copy / "blurred/three.png").unlink()
    with pytest.raises(OutputError, match=r"three\.png: the table names this result"):
        write_receipt(copy / "r.jsonl", frame, out=copy / "blurred")
    assert not list(copy.glob("*r.jsonl*"))
    with pytest.raises(SettingsError, match="no column 'blurred'"):
        write_receipt(copy / "r.jsonl", frame.drop(columns="blurred"), out=copy / "blurred")
    with pytest.raises(AuditError, match="written with a key"):
        check_receipt(copy / "keyed.jsonl")
    with pytest.raises(AuditError, match="is no receipt"):
        check_receipt(copy / "blurred.csv")
    with pytest.raises(AuditError, match="cannot be read"):
        check_receipt(copy / "gone.jsonl")
    with pytest.raises(AuditError, match="no such folder"):
        check_receipt(copy / "receipt.jsonl", folder=copy / "gone")


def test_by_the_command_line(copy, capsys, monkeypatch):
    monkeypatch.chdir(copy)
    assert main(["receipt", "blurred.csv", "-o", "new.jsonl", "--pseudonym", "Ann=R1", "--plates", "9"]) == 0
    head = capsys.readouterr().out.strip()
    assert main(["verify", "blurred", "--receipt", "new.jsonl", "--head", head, "--against", "photos"]) == 0
    assert "3 results and 4 originals as written down, 0 differences" in capsys.readouterr().out
    (copy / "blurred/three.png").write_text("changed")
    assert main(["verify", "blurred", "--receipt", "new.jsonl", "--head", head]) == 1
    assert "changed: blurred/three.png: is another file" in capsys.readouterr().err
    assert main(["verify", "blurred", "--receipt", "new.jsonl", "--head", "0" * 64, "--json"]) == 1
    assert {line["kind"] for line in json.loads(capsys.readouterr().out)["differences"]} == {"entry", "changed"}
    assert main(["receipt", "blurred.csv", "-o", "x.jsonl", "--pseudonym", "Ann"]) == 2
    assert main(["verify", "blurred", "photos", "--receipt", "new.jsonl"]) == 2


def test_by_the_accessor(run, tmp_path):
    folder, frame, *_ = run
    head = frame.blur.receipt(tmp_path / "r.jsonl", "image", out=folder / "blurred", effect="fill")
    assert check_receipt(tmp_path / "r.jsonl", head=head, folder=folder / "blurred").differences == ()


@pytest.mark.parametrize("change", [{"detections": [7]}, {"detections": 7}, {"input": None}, {"output": [1]}])
def test_an_entry_of_another_form_is_a_difference(run, tmp_path, change):
    """Whoever makes a receipt anew can write anything into it; a report of it is made all the same."""
    folder, frame, *_ = run
    lines = lines_of(folder / "receipt.jsonl")
    for line in lines:
        line.pop("previous")
    lines[1] |= change
    chain = Chain(None)
    forged = tmp_path / "forged.jsonl"
    forged.write_bytes(b"".join([*map(chain.line, lines[:-1]), chain.end(len(lines) - 2)]))
    checked = check_receipt(forged)
    assert [difference.name for difference in checked.differences] == ["line 2"]
    assert differing_pictures(frame, "image", checked) > 0

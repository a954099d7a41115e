"""Drawing a sample of a run, reviewing it, and what it says."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest

import blur_tools  # noqa: F401  (registers df.blur)
from blur_tools.audit._measured import Looked, summarize
from blur_tools.audit.bounds import running_bound, share_bound
from blur_tools.audit.coverage import ObjectScore
from blur_tools.audit.sampling import SAMPLE_COLUMNS, check_same_run, draw_sample, measure
from blur_tools.audit.session import AuditSession
from blur_tools.detections import Detection, Detections, box_polygon
from blur_tools.errors import AuditError, DetectionsError, SettingsError
from blur_tools.settings import BlurSettings

PLATE = Detection("plate", box_polygon(10, 10, 40, 20), 0.9, "local")
FACE = Detection("face", box_polygon(50, 10, 70, 30), 0.8, "local")


@pytest.fixture
def run(encode, noise, tmp_path):
    """Twelve pictures of a finished run, the last failed; every other one has a plate and a face."""
    data = encode(noise(60, 80), "PNG")
    rows = []
    for number in range(12):
        path = tmp_path / "in" / ("a" if number < 4 else "b") / f"{number:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        found = Detections([PLATE, FACE] if number % 2 else []).to_json()
        row = {"image": str(path), "mine": number, "folder": path.parent.name, "detections": found, "status": "ok"}
        rows.append(row)
    rows[-1] |= {"detections": None, "status": "failed"}
    return pd.DataFrame(rows, index=[f"row {number}" for number in range(12)])


def review(sample, *, draw=(), leave=0, decision="accepted", until=None):
    """A reviewer draws what `draw` says of a picture's number, and leaves out as many as `leave` at the end."""
    session = AuditSession.open(sample, reviewer="Ann")
    for place, item in enumerate(session.items[: len(session) - leave]):
        number = int(item.key.rpartition("/")[2][:2])
        marks = draw(number) if callable(draw) else draw
        for mark in marks:
            session.add(item.key, mark.kind, mark.polygon)
        session.decide(item.key, decision if until is None or place in until else "flagged")
    return session.to_frame()


def truth(number):
    return [PLATE, FACE] if number % 2 else []


def test_a_sample_is_the_same_each_time_and_a_larger_one_begins_with_it(run):
    small, large = draw_sample(run, 4), draw_sample(run.iloc[::-1], 9)
    assert list(small.index) == list(large.index[:4])
    assert list(small["sample_place"]) == [1, 2, 3, 4]
    assert set(large["sample_population"]) == {11}  # the failed one is not in it
    assert len(draw_sample(run, 100)) == 11
    assert set(SAMPLE_COLUMNS) <= set(small.columns)
    assert list(small["mine"]) == [run.loc[label, "mine"] for label in small.index]


def test_another_table_or_seed_gives_another_sample(run):
    other = run.copy()
    other.loc["row 0", "detections"] = Detections([FACE]).to_json()
    orders = [list(draw_sample(frame, 11).index) for frame in (run, other)]
    orders += [list(draw_sample(run, 11, seed=seed).index) for seed in (1, 2)]
    assert len({tuple(order) for order in orders}) == 4
    assert set(draw_sample(run, 2, seed=1)["sample_seed"]) == {"given:1"}


def test_a_blind_sample_shows_nothing_of_what_was_found(run):
    blind, shown = draw_sample(run, 11), draw_sample(run, 11, blind=False)
    assert all(len(found) == 0 for found in blind.blur.detections())
    assert list(shown["detections"]) == list(shown["run_detections"]) == list(blind["run_detections"])
    assert not {"n_plates", "status", "decision"} & set(blind.columns)


def test_a_larger_sample_goes_on_with_the_journal_of_the_smaller(run, tmp_path):
    with AuditSession.open(draw_sample(run, 4), journal=tmp_path / "j.jsonl") as session:
        for item in session.items:
            session.decide(item.key, "accepted")
    with AuditSession.open(draw_sample(run, 9), journal=tmp_path / "j.jsonl") as session:
        assert [item.decision for item in session.items] == ["accepted"] * 4 + ["unreviewed"] * 5
        assert measure(run, session.to_frame()).reviewed == 4


def test_a_review_has_the_order_of_the_draw(run):
    sample = draw_sample(run, 11)
    with AuditSession.open(sample) as session:
        assert [item.source for item in session.items] == list(sample["image"])
        assert all(item.detected and not item.marks for item in session.items)


def test_nothing_missed_is_a_bound_and_never_clean(run):
    bounds = measure(run, review(draw_sample(run, 6), draw=truth))
    assert (bounds.population, bounds.drawn, bounds.reviewed, bounds.exposed) == (11, 6, 6, 0)
    assert bounds.left_out == 1
    assert bounds.exposed_bound == running_bound([0] * 6, 11) > 0
    assert bounds.exact_bound == share_bound(0, 6, 11)
    assert bounds.complete
    assert bounds.blind
    assert bounds.needed == {0.95: 5, 0.99: 5, 0.999: 5}  # only all of them would do
    text = bounds.text()
    assert "0 of 6 reviewed pictures show something" in text
    assert "no more than 27.3 % of all pictures" in text
    assert "clean" not in text


def test_a_missed_object_counts_by_kind_and_height(run):
    missed = Detection("plate", box_polygon(5, 40, 45, 54))
    sample = draw_sample(run, 11)
    bounds = measure(run, review(sample, draw=lambda n: [*truth(n), *([missed] if n in (3, 4) else [])]))
    assert (bounds.exposed, bounds.exposed_bound) == (2, 2 / 11)  # all were looked at
    rows = bounds.objects.set_index(["kind", "bucket"])
    assert rows.loc[("plate", "all"), ["n", "missed", "pictures"]].tolist() == [7, 2, 6]
    assert rows.loc[("plate", "all"), "recall_low"] == pytest.approx(5 / 7)
    assert rows.loc[("plate", "12-24"), ["n", "missed"]].tolist() == [2, 2]
    assert rows.loc[("plate", "<12"), ["n", "missed"]].tolist() == [5, 0]
    assert rows.loc[("face", "all"), "missed"] == 0
    assert rows.loc[("all", "all"), "n"] == 12
    partly = measure(run, review(draw_sample(run, 6), draw=lambda n: [*truth(n), missed])).objects.iloc[0]
    assert 0 < partly["recall_low"] < partly["recall"] < 1


def test_what_is_hidden_only_in_part_is_exposed(run):
    wide = Detection("plate", box_polygon(10, 10, 40, 40))
    sample = review(draw_sample(run, 11), draw=lambda n: [wide] if n % 2 else [])
    assert measure(run, sample).exposed == 5
    assert measure(run, sample, hidden_at=0.2).exposed == 0
    assert measure(run, sample, plates=0).exposed == 0  # plates were not to be hidden


def test_what_was_left_visible_on_purpose_is_no_target(run):
    kept = Detections([Detection("plate", PLATE.polygon, 0.9, keep=True)]).to_json()
    run["detections"] = [kept if text is not None else None for text in run["detections"]]
    bounds = measure(run, review(draw_sample(run, 11), draw=[PLATE]))
    assert (bounds.exposed, bounds.objects.iloc[0]["n"]) == (0, 0)


def test_needless_regions_are_counted(run):
    bounds = measure(run, review(draw_sample(run, 11), draw=lambda n: [PLATE] if n % 2 else []))
    rows = bounds.needless.set_index("kind")
    assert rows.loc["face", ["detections", "needless", "share"]].tolist() == [5, 5, 1]
    assert rows.loc["plate", "needless"] == 0
    assert bounds.over_blur > 0


def test_flagged_pictures_count_as_exposed_and_as_full_of_misses(run):
    """Whoever flags what is hard to judge must not get a better bound by it."""
    sample = review(draw_sample(run, 8), draw=truth, until=range(6))
    bounds = measure(run, sample)
    assert (bounds.exposed, bounds.flagged) == (2, 2)
    row = bounds.objects.iloc[0]
    assert (row["recall"], row["largest"]) == (1, 10)
    assert row["recall_low"] < measure(run, review(draw_sample(run, 8), draw=truth)).objects.iloc[0]["recall_low"]
    everything = review(draw_sample(run, 11), draw=truth, until=range(9))
    row = measure(run, everything).objects.iloc[0]
    assert row["recall_low"] == pytest.approx((row["n"] - hidden_in(everything.iloc[9:])) / (
        row["n"] - hidden_in(everything.iloc[9:]) + 2 * 10
    ))  # fmt: skip


def hidden_in(rows):
    return sum(len(found) for found in rows.blur.detections())


def test_needless_regions_are_not_counted_of_flagged_pictures(run):
    sample = review(draw_sample(run, 11), draw=[], until=range(6))
    shown = sum(len(Detections.from_json(text)) for text in sample["run_detections"].iloc[:6])
    bounds = measure(run, sample)
    assert bounds.needless["detections"].sum() == bounds.needless["needless"].sum() == shown
    nothing = measure(run, review(draw_sample(run, 4), draw=[], until=()))
    assert nothing.needless["detections"].sum() == 0
    assert nothing.to_json()["over_blur"] is None
    assert "–" in nothing.text()


def test_more_misses_in_a_picture_than_were_taken_for_possible_are_no_bound(run):
    many = [Detection("plate", box_polygon(1 + 6 * k, 40, 5 + 6 * k, 50)) for k in range(12)]
    sample = review(draw_sample(run, 8), draw=lambda n: [*truth(n), *many])
    bounds = measure(run, sample)
    assert (bounds.largest, bounds.above_largest) == (14, 0)  # as many as were drawn in one picture
    row = bounds.objects.iloc[0]
    assert row["recall_low"] <= row["recall"] < 0.2
    assert "no picture has more than 14 misses" in bounds.text()
    bounds = measure(run, sample, largest=3)
    assert bounds.above_largest == 8
    assert bounds.objects["recall_low"].isna().all()
    assert "8 pictures have more than 3 misses: the bounds on objects do not hold" in bounds.text()
    assert "no bound" in bounds.text()
    assert bounds.more_for_recall is None
    whole = measure(run, review(draw_sample(run, 11), draw=lambda n: [*truth(n), *many]), largest=3)
    assert whole.above_largest == 0  # who has seen all pictures takes nothing for granted
    assert whole.objects.iloc[0]["recall_low"] == whole.objects.iloc[0]["recall"]


def test_recall_is_never_below_its_bound(run):
    """Late misses: what earlier pictures have ruled out is not told against what was seen."""
    missed = Detection("plate", box_polygon(5, 40, 45, 54))
    order = [int(path[-6:-4]) for path in draw_sample(run, 11)["image"]]
    last = order[7:10]
    sample = review(draw_sample(run, 10), draw=lambda n: [*truth(n), *([missed] * 8 if n in last else [])])
    rows = measure(run, sample, largest=8, level=0.3).objects
    assert (rows["recall_low"] <= rows["recall"]).all()


def test_a_blind_sample_that_an_engine_has_searched_is_not_blind(run):
    """Whoever lets the engine search the sample, too, draws what it finds and misses what it misses."""
    with AuditSession.open(draw_sample(run, 6), reviewer="Ann") as session:
        for item in session.items[:4]:
            session.set_detections(item.key, [PLATE], engine="local")
        for item in session.items:
            session.decide(item.key, "accepted")
        sample = session.to_frame()
    bounds = measure(run, sample)
    assert (bounds.blind, bounds.searched) == (False, 4)
    assert "drawn blind, but in 4 reviewed pictures marks are an engine's" in bounds.text()
    labels = sample.assign(detections=Detections([replace(PLATE, source="label")]).to_json())
    assert measure(run, labels).blind  # what is known of them from elsewhere
    shown = measure(run, review(draw_sample(run, 6, blind=False)))
    assert (shown.blind, shown.searched) == (False, 0)


def test_how_many_more_is_told_in_the_text():
    score = ObjectScore("plate", 10, 10, 40, 20, 10, False, 1.0)
    looked = [Looked("", False, (score,) * 3, {"plate": (0, 3), "face": (0, 0)}, 0.0, 0.9, 0)] * 300
    facts = {"drawn": 300, "unused": 0, "planned": 300, "seed": "table:", "blind": True, "left_out": 0,
             "hidden_at": 0.9, "settings": {"plates": 10, "faces": 10}, "run": ""}  # fmt: skip
    found = [Detections([PLATE] * 3)] * 5000
    bounds = summarize(looked, found, sizes={"": 5000}, level=0.95, heights=(24,), largest=3, **facts)
    assert f"To claim a recall of 99 % of all objects: {bounds.more_for_recall} more like these" in bounds.text()


def test_pictures_behind_the_first_without_a_decision_are_not_counted(run):
    sample = review(draw_sample(run, 8), draw=truth)
    sample.iloc[5, sample.columns.get_loc("decision")] = "unreviewed"
    bounds = measure(run, sample)
    assert (bounds.reviewed, bounds.unused, bounds.complete) == (5, 2, False)
    assert bounds.exposed_bound == running_bound([0] * 5, 11)
    assert bounds.exact_bound is None
    assert "Clopper" not in bounds.text()
    assert "not reviewed to its end" in bounds.text()


def test_a_larger_sample_begins_with_the_smaller_in_strata_too():
    """Shares by the largest remainders do not: of strata of 172, 171 and 57 the 18th picture puts another one out."""
    run = pd.DataFrame({"image": [f"/x/{i}.jpg" for i in range(400)], "detections": Detections().to_json()})
    run["g"] = ["a"] * 172 + ["b"] * 171 + ["c"] * 57
    whole = draw_sample(run, 400, strata="g")
    for n in range(1, 400):
        sample = draw_sample(run, n, strata="g") if n < 60 or n % 40 == 0 else whole.iloc[:n]
        assert len(sample) == max(n, 6)
        assert list(sample["image"]) == list(whole["image"][: len(sample)])
        counts = whole["g"].iloc[: len(sample)].value_counts()
        assert counts.min() >= 2
        assert all(abs(counts[g] - n * size / 400) <= 2 for g, size in (("a", 172), ("b", 171), ("c", 57)))


def test_a_sample_says_how_many_were_drawn_at_first(run):
    bounds = measure(run, review(draw_sample(run, 8, enlarges=5), draw=truth))
    assert (bounds.planned, bounds.drawn, bounds.complete, bounds.exact_bound) == (5, 8, True, None)
    assert bounds.exposed_bound == running_bound([0] * 8, 11)
    with pytest.raises(AuditError, match="enlarges: 0 is not a number"):
        draw_sample(run, 8, enlarges=0)


def test_bounds_say_what_they_leave_out(run):
    sample = review(draw_sample(run, 8), draw=truth)
    assert measure(run, sample).caveats() == []
    said = " ".join(measure(run, sample, faces=0, hidden_at=0.5, largest=40).caveats())
    assert "Faces were not to be hidden, and are not counted." in said
    assert "hidden from 50 % of its area on" in said
    assert "set by hand that no picture has more than 40 misses" in said
    kept = Detections([Detection("plate", PLATE.polygon, 0.9, keep=True)]).to_json()
    run["detections"] = [kept if text is not None else None for text in run["detections"]]
    bounds = measure(run, review(draw_sample(run, 6), draw=[PLATE]))
    assert bounds.neutral == 6
    assert "6 drawn objects were left visible on purpose, and are not counted." in bounds.text()


def test_bounds_are_of_one_run_and_its_settings(run):
    bounds = measure(run, review(draw_sample(run, 8, seed=3), draw=truth), margin=0.5)
    check_same_run(run, bounds, BlurSettings.of(None, margin=0.5, copy_metadata=True).or_default(10))
    with pytest.raises(AuditError, match=r"measured with other settings \(margin\)"):
        check_same_run(run, bounds, BlurSettings.of(None).or_default(10))
    other = run.copy()  # a picture that was not drawn
    left = next(label for label in run.index[:-1] if label not in draw_sample(run, 8, seed=3).index)
    other.loc[left, "detections"] = Detections([FACE]).to_json()
    with pytest.raises(AuditError, match="another run"):
        check_same_run(other, bounds, BlurSettings.of(None, margin=0.5).or_default(10))


def test_how_detections_are_written_does_not_matter(run):
    spaced = run.copy()
    spaced["detections"] = [text.replace(",", " ,  ") if isinstance(text, str) else None for text in run["detections"]]
    assert spaced.loc["row 1", "detections"] != run.loc["row 1", "detections"]
    sample = review(draw_sample(run, 8), draw=truth)
    assert measure(spaced, sample).to_json() == measure(run, sample).to_json()


def test_strata_are_sampled_in_proportion_and_bounded_together(run):
    sample = draw_sample(run, 5, strata="folder")
    assert sample["sample_stratum"].value_counts().to_dict() == {"b": 3, "a": 2}
    bounds = measure(run, review(sample, draw=truth))
    rows = bounds.strata.set_index("stratum")
    assert rows.loc["a", "exposed_bound"] == running_bound([0, 0], 4, 0.975)
    assert bounds.exposed_bound == pytest.approx((rows["exposed_bound"] * rows["population"]).sum() / 11)
    assert bounds.needed == {}
    assert "stratified" in bounds.text()


def test_a_csv_gives_the_same_bounds(run, tmp_path):
    sample = review(draw_sample(run, 6, blind=False))
    sample.to_csv(tmp_path / "sample.csv")
    run.to_csv(tmp_path / "run.csv")
    again = measure(
        *(pd.read_csv(tmp_path / name, dtype=str, index_col=0) for name in ("run.csv", "sample.csv")), column="image"
    )
    assert again.to_json() == measure(run, sample).to_json()
    assert again.blind is False


def shuffled(sample, run):
    return sample.iloc[::-1]


def with_a_hard_one_left_out(sample, run):
    return sample.drop(sample.index[2])


def with_one_put_in(sample, run):
    rest = draw_sample(run, 11).iloc[[9]].assign(decision="accepted")
    return pd.concat([sample, rest])


def with_other_detections(sample, run):
    return sample.assign(run_detections=Detections([PLATE, FACE, FACE]).to_json())


def with_a_seed_of_another_table(sample, run):
    return sample.assign(sample_seed="table:0")


def with_two_seeds(sample, run):
    return sample.assign(sample_seed=["given:1", *sample["sample_seed"][1:]])


def with_strata_of_its_own(sample, run):
    return sample.assign(sample_stratum=["x", *["y"] * 5], sample_population=[5, *[6] * 5])


def with_a_smaller_population(sample, run):
    return sample.assign(sample_population=8)


def cut_short(sample, run):
    return sample.iloc[:4]


def with_another_plan(sample, run):
    return sample.assign(sample_planned=7)


def with_a_size_that_is_none(sample, run):
    return sample.assign(sample_size="many")


def without_its_facts(sample, run):
    return sample.drop(columns="sample_seed")


@pytest.mark.parametrize(
    "change",
    [shuffled, with_a_hard_one_left_out, with_one_put_in, with_other_detections, with_a_seed_of_another_table,
     with_two_seeds, with_strata_of_its_own, with_a_smaller_population, cut_short, with_another_plan,
     with_a_size_that_is_none, without_its_facts],
)  # fmt: skip
def test_another_sample_than_the_runs_is_refused(run, change):
    sample = review(draw_sample(run, 6), draw=truth)
    with pytest.raises(AuditError):
        measure(run, change(sample, run))


def test_a_stratum_without_its_hard_picture_is_refused(run):
    sample = review(draw_sample(run, 6, strata="folder"), draw=truth)
    assert measure(run, sample).reviewed == 6
    with pytest.raises(AuditError, match="must be complete"):
        measure(run, sample.drop(sample.index[1]))


def test_a_run_that_has_changed_since_is_refused(run):
    sample = review(draw_sample(run, 6), draw=truth)
    with pytest.raises(AuditError, match="another run, or the table of the run has changed"):
        measure(run.drop("row 0"), sample)


def test_bad_input_is_said(run):
    with pytest.raises(AuditError, match="not a number of pictures"):
        draw_sample(run, 0)
    with pytest.raises(AuditError, match="nothing to draw from"):
        draw_sample(run.assign(status="failed"), 3)
    with pytest.raises(SettingsError, match="no column 'nonsense'"):
        draw_sample(run, 3, strata="nonsense")
    with pytest.raises(SettingsError, match="no column 'detections'"):
        draw_sample(run.drop(columns="detections"), 3)
    with pytest.raises(SettingsError, match="no number of misses"):
        measure(run, review(draw_sample(run, 3)), largest=-1)
    with pytest.raises(SettingsError, match="a confidence below 1"):
        measure(run, review(draw_sample(run, 3)), level=95)
    with pytest.raises(AuditError, match="nobody has decided on the first picture"):
        measure(run, draw_sample(run, 3).assign(decision="unreviewed"))
    with pytest.raises(DetectionsError, match="another row of this picture"):
        draw_sample(run.assign(image=run["image"].iloc[0]), 3)


def test_a_picture_that_stands_in_two_rows_is_one(run):
    assert len(draw_sample(pd.concat([run, run]), 100)) == 11

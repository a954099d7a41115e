"""The report's page: one HTML file that asks nothing of the network, runs nothing, and prints."""

from __future__ import annotations

import base64
import hashlib
import shlex
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from blur_tools.audit._report_plots import bars, heat_map, intervals
from blur_tools.audit._report_sheet import Crop
from blur_tools.audit._report_style import STYLE
from blur_tools.audit._sample_bounds import percent

__all__ = ["MARK", "page"]

MARK = '<meta name="generator" content="blur_tools.report">'
"""Stands at the beginning of every page of ours."""

KINDS = (("plate", "Plates"), ("face", "Faces"))
_WORDS = {"good": "as it should be", "fair": "look at it", "bad": "act on it"}

_NUMBER = ' class="n"'

Data = Mapping[str, Any]


def page(data: Data, crops: Sequence[Crop]) -> str:
    """The page of a report's data; every text in it is escaped.

    Parameters
    ----------
    data : mapping
        `Report.data`.
    crops : sequence of Crop
        The contact sheet.
    """
    digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    policy = f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    body = "".join(
        (_header(data), _summary(data), _recall(data["sample"]), _found(data), _failures(data), _checked(data),
         _review(data["review"]), _sheet(data["crops"], crops), _run(data["run"]), _receipt(data["receipt"]),
         _limits(data))
    )  # fmt: skip
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f"{MARK}"
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        '<meta name="referrer" content="no-referrer">'
        '<meta name="robots" content="noindex">'
        f"<title>{_t(data['title'])}</title><style>{STYLE}</style></head><body><main>{body}</main></body></html>\n"
    )


def _t(value: Any) -> str:
    return escape(str(value), quote=True)


def _n(value: int) -> str:
    return f"{value:,}"


def _table(head: Sequence[str], rows: Sequence[Sequence[Any]], numbers: int = 0) -> str:
    """A table; of each row the last `numbers` cells are numbers."""
    text = len(rows[0]) - numbers if rows else len(head) - numbers

    def cells(row: Sequence[Any], tag: str) -> str:
        return "".join(f"<{tag}{_NUMBER if i >= text else ''}>{_t(cell)}</{tag}>" for i, cell in enumerate(row))

    top = f"<thead><tr>{cells(head, 'th')}</tr></thead>" if head else ""
    body = "".join(f"<tr>{cells(row, 'td')}</tr>" for row in rows)
    wide = " wide" if len(head) > 4 else ""
    return f'<div class="scroll{wide}"><table>{top}<tbody>{body}</tbody></table></div>'


def _pairs(values: Mapping[str, Any]) -> str:
    body = "".join(f'<tr><th scope="row">{_t(name)}</th><td>{_t(value)}</td></tr>' for name, value in values.items())
    return f"<table><tbody>{body}</tbody></table>"


def _card(title: str, content: str) -> str:
    return f'<div class="card"><h3>{_t(title)}</h3>{content}</div>'


def _header(data: Data) -> str:
    return (
        f'<header><h1>{_t(data["title"])}</h1><div class="soft">Report on what was hidden, what was missed, and how it '
        f"is known · made {_t(data['created'])} by {_t(data['generator'])}</div></header>"
    )


def _summary(data: Data) -> str:
    counts = data["counts"]
    tiles = [("pictures", counts["pictures"]), ("done", counts["done"]), ("failed", counts["failed"]),
             ("plates", counts["plates"]), ("faces", counts["faces"]), ("left visible", counts["kept"])]  # fmt: skip
    boxes = "".join(f'<div class="tile"><b>{_n(value)}</b><span>{_t(name)}</span></div>' for name, value in tiles)
    items = "".join(
        f'<li class="{state}"><span class="pill {state}">{_WORDS[state]}</span>{_t(text)}</li>'
        for state, text in data["says"]
    )
    return f'<section><div class="tiles">{boxes}</div><ul class="says">{items}</ul></section>'


def _recall(sample: Data | None) -> str:
    if sample is None:
        return (
            "<section><h2>How much was missed</h2><p>Nobody has looked at a random sample of this run, so nothing is "
            "known of what was missed: counts of what was found say nothing of it. "
            "<code>blur-tools sample</code> draws one.</p></section>"
        )
    rows = [row for row in sample["objects"] if row["n"]]
    lines = [
        (f"{row['kind']}s" if row["kind"] != "all" else "all objects", "any" if row["kind"] == "all" else row["kind"],
         row["recall_low"], row["recall"])
        for row in rows if row["bucket"] == "all" and row["recall_low"] is not None
    ]  # fmt: skip
    table = _table(
        ["Kind", "Height, px", "Objects", "In pictures", "Missed", "Recall", "At least"],
        [
            [row["kind"], row["bucket"].replace("-", "–").replace(">=", "≥"), _n(row["n"]), _n(row["pictures"]),
             _n(row["missed"]), percent(row["recall"]), percent(row["recall_low"])]
            for row in rows
        ],
        numbers=5,
    )  # fmt: skip
    plot = intervals(lines, title="Recall of the sample with its lower bound") if lines else "<p>There is none.</p>"
    facts = {
        "Sample": f"{_n(sample['reviewed'])} of {_n(sample['drawn'])} drawn pictures reviewed, "
        f"of {_n(sample['population'])} in the run",
        "Drawn": "by the table itself"
        if sample["seed"].startswith("table:")
        else "with a seed that was chosen by hand",
        "Reviewed": "blind: the reviewer drew what there is before seeing what was found"
        if sample["blind"]
        else "with what was found in sight, which leads the eye",
        "Pictures that show something": f"{_n(sample['exposed'])} of the sample ({_n(sample['flagged'])} only flagged)",
        "In the whole run": f"at most {percent(sample['exposed_bound'])}, at {100 * sample['level']:g} % confidence",
        **(
            {}
            if sample["exact_bound"] is None
            else {
                "Exact, if the size was settled before": f"at most {percent(sample['exact_bound'])} (Clopper–Pearson, "
                f"{_n(sample['planned'])} pictures)"
            }
        ),
        "Taken for granted": f"no picture has more than {sample['largest']:g} misses",
        "Left visible on purpose": f"{_n(sample['neutral'])} drawn objects, not counted",
        "Hidden means": f"{100 * sample['hidden_at']:g} % of an object's area or more",
        "Hidden without need": f"{percent(sample['over_blur'])} of the pixels; "
        f"{_n(sum(row['needless'] for row in sample['needless']))} of "
        f"{_n(sum(row['detections'] for row in sample['needless']))} regions",
    }
    claims = {f"{100 * entry['claim']:g} % of all pictures": _more(entry["more"]) for entry in sample["needed"]}
    if sample["more_for_recall"] is not None:
        claims["recall of 99 %"] = _more(sample["more_for_recall"])
    strata = ""
    if len(sample["strata"]) > 1:
        strata = _card(
            "By stratum",
            _table(
                ["Stratum", "Pictures", "Reviewed", "Exposed", "At most"],
                [[row["stratum"], _n(row["population"]), _n(row["reviewed"]), _n(row["exposed"]),
                  percent(row["exposed_bound"])] for row in sample["strata"]],
                numbers=4,
            ),
        )  # fmt: skip
    note = (
        f"Each bound holds by itself with {100 * sample['level']:g} % confidence, all but the exact one at any time "
        "of a review. Misses of one picture are not independent; the picture is the unit. A flagged picture "
        "counts as one with as many misses as are taken for possible. No misses are a bound, not a proof of none."
    )
    return (
        "<section><h2>How much was missed</h2>"
        f'<div class="pair"><div class="stack">'
        f"{_card('Recall, and what it is at least', f'<figure>{plot}</figure>')}"
        f"{_card('To claim more, look at', _pairs(claims)) if claims else strata}</div>"
        f"{_card('How it is known', _pairs(facts))}</div>"
        f'<div class="card below">{table}</div><p class="below"><small>{_t(note)}</small></p></section>'
    )


def _more(more: int | None) -> str:
    if more is None:
        return "cannot be reached with these misses"
    return f"{_n(more)} more pictures, without a miss" if more else "stands"


def _found(data: Data) -> str:
    scores, sizes, places = data["scores"], data["sizes"], data["places"]
    keys = "".join(f'<span class="key"><i class="{kind}"></i>{name}</span>' for kind, name in KINDS)
    without = sum(scores[kind]["without"] for kind, _ in KINDS)
    score_plot = bars(
        [(name, kind, scores[kind]["counts"]) for kind, name in KINDS],
        [f"{edge:g}" for edge in scores["edges"]],
        title="Scores of detections",
        axis="score",
    )
    size_plot = bars(
        [(name, kind, sizes[kind]) for kind, name in KINDS],
        sizes["labels"],
        title="Heights of detections",
        axis="height of the box, pixels",
    )
    note = f"{_n(without)} without a score, such as those that a person drew. " if without else ""
    cards = [
        _card("Scores", f"<figure>{score_plot}<figcaption>{keys}{_t(note)}</figcaption></figure>"),
        _card("Sizes", f"<figure>{size_plot}<figcaption>{keys}</figcaption></figure>"),
    ]
    lost = f"; {_n(places['unknown'])} pictures could not be asked for their size" if places["unknown"] else ""
    for kind, name in KINDS:
        total = sum(map(sum, places[kind]))
        if total:
            plot = heat_map(places[kind], kind, title=f"Where {name.lower()} are in the frame")
            caption = f"{_n(total)} middles, pictures upright{lost}"
            cards.append(
                _card(f"Where: {name.lower()}", f"<figure>{plot}<figcaption>{_t(caption)}</figcaption></figure>")
            )
    empty = data["counts"]["empty"]
    text = f"<p>In {_n(empty)} of {_n(data['counts']['done'])} pictures nothing was found.</p>" if empty else ""
    return f'<section><h2>What was found</h2>{text}<div class="pair">{"".join(cards)}</div></section>'


def _failures(data: Data) -> str:
    listed, count = data["failures"], data["counts"]["failed"]
    if not count:
        return ""
    more = f"<p>… and {_n(count - len(listed))} more, in the table.</p>" if count > len(listed) else ""
    rows = [[entry["picture"], entry["error"]] for entry in listed]
    text = "<p>Of a picture that failed nothing was written.</p>"
    return f"<section><h2>Failures</h2>{text}{_table(['Picture', 'Why'], rows)}{more}</section>"


def _checked(data: Data) -> str:
    checked = data["verification"]
    if checked is None:
        return (
            "<section><h2>Verification</h2><p>The results were not verified. <code>blur-tools verify</code> looks for "
            "second copies in the files, for what is still seen, and for changes outside the regions.</p></section>"
        )
    verdicts = {f"Verdict: {name}": _n(count) for name, count in checked["verdicts"].items()}
    outside = {f"Outside the regions: {name}": _n(count) for name, count in checked["outside"].items()}
    more = {"Leaks in files": _n(checked["leaks"]), "Objects still seen": _n(checked["missed"])}
    rows = [[entry["picture"], entry["problem"]] for entry in checked["problems"]]
    lost = checked["problem_count"] - len(rows)
    listed = _card(f"Problems ({checked['problem_count']})", _table(["Picture", "What"], rows)) if rows else ""
    note = f"<p>… and {_n(lost)} more, in the table.</p>" if lost else ""
    return (
        f'<section><h2>Verification</h2><div class="pair">{_card("Results", _pairs(verdicts | outside | more))}{listed}'
        f"</div>{note}</section>"
    )


def _review(review: Data | None) -> str:
    if review is None:
        return ""
    facts = {name.capitalize(): _n(count) for name, count in review["decisions"].items()}
    facts |= {"Drawn by a person": _n(review["drawn"]), "Reviewers": ", ".join(review["reviewers"]) or "not named"}
    return f'<section><h2>Review</h2><div class="pair">{_card("Decisions on pictures", _pairs(facts))}</div></section>'


def _sheet(facts: Data, crops: Sequence[Crop]) -> str:
    if not crops and not facts["left_out"]:
        return ""
    figures = "".join(
        f'<figure><div><img src="{_t(crop.url)}" alt="hidden {_t(crop.kind)}"></div>'
        f"<figcaption>{_t(crop.kind)}, {crop.size[0]} × {crop.size[1]}</figcaption></figure>"
        for crop in crops
    )
    reasons = "; ".join(f"{_n(count)}: {reason}" for reason, count in facts["left_out"].items())
    note = "Hidden pixels of the results and nothing beside them. " + (f"Not shown: {reasons}." if reasons else "")
    return (
        f'<section><h2>What hidden regions look like</h2><p>{_t(note)}</p><div class="sheet">{figures}</div></section>'
    )


def _run(run: Data) -> str:
    engines = {name: f"{_n(count)} detections" for name, count in run["engines"].items()} or {"none": "no detections"}
    settings = {name: _said(value) for name, value in run["settings"].items()}
    methods = {name: f"{_n(count)} pictures" for name, count in run["methods"].items()}
    cards = [
        _card("Who found", _pairs(engines)),
        _card("Settings", _pairs(settings)),
        _card("Versions", _pairs(run["versions"])),
        *([_card("How results were written", _pairs(methods))] if methods else []),
    ]
    return f'<section><h2>What was run</h2><div class="pair">{"".join(cards)}</div></section>'


def _said(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {one:g}" for name, one in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _receipt(receipt: Data | None) -> str:
    if receipt is None:
        return ""
    state = (
        f"{_n(receipt['files'])} results are as the receipt says."
        if not receipt["differences"]
        else f"{_n(receipt['differences'])} differences from the receipt; {_n(receipt['files'])} results as it says."
    )
    command = f"blur-tools verify RESULTS --receipt {shlex.quote(receipt['name'])} --head {receipt['head']}"
    return (
        f"<section><h2>Receipt</h2><p>{_t(state)} Keep this hash where who can change the files cannot: with it any "
        f"result or entry that was changed, is missing, was added or put elsewhere is found.</p><pre><code>"
        f"{_t(command)}</code></pre></section>"
    )


def _limits(data: Data) -> str:
    counts = data["counts"]
    kept = f" {_n(counts['kept'])} objects were left visible on purpose." if counts["kept"] else ""
    return (
        "<footer><p>What this report does not say: that no person can be recognized. Clothes, places, cars and time "
        f"can identify somebody without a face or a plate.{kept} Bounds hold for the pictures that were sampled from; "
        "names of files are shown unless they hold a plate that was read.</p></footer>"
    )

"""The widgets in Notebook 7 and in Voila, in a headless browser; most of JupyterLab's test is not repeated."""

from __future__ import annotations

import pytest
from _lab import browser, jupyter, missing, run_all
from notebook_hands import accept_by_keys, accepted, at, number, sent_after, settled, stage_of, write_demo

WHY = missing("notebook", "voila")
pytestmark = pytest.mark.skipif(bool(WHY), reason=WHY or "all is there")


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hosts")
    for name in ("notebook", "voila"):
        write_demo(folder, name)
    with jupyter(folder) as addresses:
        yield folder, addresses


@pytest.mark.parametrize("host", ["notebook", "voila"])
def test_all_three_widgets_work(served, host):
    folder, addresses = served
    address = addresses[host].format(f"{host}.ipynb")
    with browser(viewport={"width": 1250, "height": 2600}) as page:
        problems: list[str] = []
        page.on("pageerror", lambda error: problems.append(error.stack))
        if host == "voila":
            page.goto(address)  # it runs the cells by itself
        else:
            run_all(page, address)
        page.locator(".bt-root").nth(2).wait_for()
        page.set_default_timeout(30_000)
        a_click_and_a_control_change_pixels(page, stage_of(page, 0))
        the_gallery_turns_its_page_and_opens_a_picture(page, stage_of(page, 1))
        three_are_accepted_by_keys(page, stage_of(page, 2))
        assert len(accepted(folder / f"{host}.jsonl")) == 3
        if host == "notebook":
            letters_stay_and_control_s_saves(page, stage_of(page, 2))
        # anywidget loads our code from a blob; Notebook 7 has errors of its own
        assert not [one for one in problems if "blob:" in one]


def a_click_and_a_control_change_pixels(page, root) -> None:
    sent_after(page, root, 0)
    root.get_by_role("slider").press("Home")  # all of it redacted
    hidden = settled(page, root)
    mark = root.get_by_role("checkbox").first
    sent = number(root)
    mark.click()
    sent_after(page, root, sent)
    assert mark.get_attribute("aria-checked") == "false"
    visible = settled(page, root)
    area = mark.bounding_box()
    assert (abs(visible - hidden).max(axis=2) > 24).sum() > area["width"] * area["height"] * 0.1
    sent = number(root)
    intensity = page.get_by_role("slider", name="plates").first
    intensity.focus()
    for _ in range(9):
        intensity.press("ArrowLeft")
    sent_after(page, root, sent)
    page.wait_for_function("() => document.querySelector('pre[aria-label]').textContent.includes('plates=1')")
    assert (abs(settled(page, root) - visible).max(axis=2) > 24).sum() > 100


def the_gallery_turns_its_page_and_opens_a_picture(page, root) -> None:
    root.locator(".bt-cell[data-shown]").nth(2).wait_for()
    cell = root.locator(".bt-cell").first
    cell.focus()
    page.keyboard.press("PageDown")
    page.wait_for_function("([root]) => root.innerText.includes('page 2 of 2')", arg=[root.element_handle()])
    root.locator(".bt-reason").wait_for()
    shown = root.locator(".bt-cell[data-shown]").first
    shown.wait_for()
    key = shown.get_attribute("data-key")
    shown.focus()
    page.keyboard.press("Enter")
    page.wait_for_function(
        "([key]) => document.activeElement.querySelector('.bt-title')?.textContent.endsWith(key)"
        " && document.activeElement.querySelector('img.bt-before[src]')",
        arg=[key],
    )


def three_are_accepted_by_keys(page, root) -> None:
    root.focus()
    at(page, root, 1)  # the broken one
    root.press("n")
    accept_by_keys(page, root, (2, 3, 4))


def letters_stay_and_control_s_saves(page, root) -> None:
    """X cuts a cell and B makes one, wherever the focus is in a notebook; but not in a widget of ours."""
    cells = page.locator(".jp-Cell").count()
    for focused in (
        root,
        root.locator(".bt-tools button").first,
        page.get_by_role("slider", name="plates").first,
        page.locator(".bt-box select").first,
    ):
        focused.focus()
        page.keyboard.press("x")
        page.keyboard.press("b")
    with page.expect_response(lambda answer: answer.request.method == "PUT" and "/api/contents/" in answer.url):
        root.focus()
        page.keyboard.press("Control+s")
    assert page.locator(".jp-Cell").count() == cells

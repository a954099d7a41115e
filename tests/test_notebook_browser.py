"""The widgets in JupyterLab, in a headless browser: what a person does with mouse and keyboard."""

from __future__ import annotations

import json
import os

import pytest
from _lab import browser, lab, missing, run_all
from notebook_hands import (
    accept_by_keys,
    accepted,
    arrives,
    at,
    journalled,
    number,
    sent_after,
    settled,
    stage_of,
    write_demo,
)
from notebook_privacy import leaks_of, pictures_in

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing() or "all is there")


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lab")
    write_demo(folder, "demo")
    with lab(folder) as address, browser(viewport={"width": 1250, "height": 2600}) as page:
        page.problems = []
        page.hosts = set()
        page.folder, page.journal = folder, folder / "demo.jsonl"
        page.on("pageerror", lambda error: page.problems.append(str(error)))
        page.on("request", lambda request: page.hosts.add(request.url.split("/")[2] if "://" in request.url else ""))
        run_all(page, address.format("demo.ipynb"))
        page.locator(".bt-root").nth(2).wait_for()
        page.set_default_timeout(30_000)
        yield page


def test_the_slider_moves_the_picture(page):
    root = stage_of(page, 0)
    sent_after(page, root, 0)
    slider = root.get_by_role("slider")
    slider.focus()
    slider.press("Home")
    after = settled(page, root)
    slider.press("End")
    before = settled(page, root)
    # they differ where plates and face are, and only there
    changed = (abs(after - before).max(axis=2) > 24).mean()
    assert 0.0005 < changed < 0.1
    slider.evaluate("(range) => { range.value = 50; range.dispatchEvent(new Event('input')); }")
    half = settled(page, root)
    assert not (half == after).all()
    assert not (half == before).all()


def test_a_click_on_a_polygon_leaves_it_visible_and_a_key_hides_it_again(page):
    root = stage_of(page, 0)
    slider = root.get_by_role("slider")
    slider.focus()
    slider.press("Home")
    hidden = settled(page, root)
    mark = root.get_by_role("checkbox").first
    assert mark.get_attribute("aria-checked") == "true"
    sent = number(root)
    mark.click()
    sent_after(page, root, sent)
    assert mark.get_attribute("aria-checked") == "false"
    assert "left visible" in mark.get_attribute("aria-label")
    area = mark.bounding_box()
    visible = settled(page, root)
    assert (abs(visible - hidden).max(axis=2) > 24).sum() > area["width"] * area["height"] * 0.1
    mark.focus()
    sent = number(root)
    mark.press("Space")
    sent_after(page, root, sent)
    assert mark.get_attribute("aria-checked") == "true"


def test_a_changed_intensity_changes_pixels(page):
    root = stage_of(page, 0)
    slider = root.get_by_role("slider")
    slider.focus()
    slider.press("Home")
    strong = settled(page, root)
    sent = number(root)
    plates = page.get_by_role("slider", name="plates").first
    plates.focus()
    for _ in range(9):
        plates.press("ArrowLeft")
    sent_after(page, root, sent)
    page.wait_for_function("() => document.querySelector('pre[aria-label]').textContent.includes('plates=1')")
    weak = settled(page, root)
    assert (abs(strong - weak).max(axis=2) > 24).sum() > 100


def test_a_drag_marks_a_plate_and_a_key_takes_it_back(page):
    root = stage_of(page, 0)
    marks = root.get_by_role("checkbox")
    before = marks.count()
    root.focus()
    root.press("p")
    page.wait_for_selector(".bt-drawing")
    area = root.locator(".bt-stage").bounding_box()
    x, y = area["x"] + area["width"] * 0.7, area["y"] + area["height"] * 0.75
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 60, y + 30, steps=3)
    page.mouse.up()
    marks.nth(before).wait_for()
    root.focus()
    root.press("Control+z")
    marks.nth(before).wait_for(state="detached")


def test_a_mark_is_made_and_moved_by_keys_alone_and_a_held_key_is_one_step(page):
    root = stage_of(page, 0)
    marks = root.locator(".bt-mark")
    before = marks.count()
    root.focus()
    root.press("f")
    page.wait_for_selector(".bt-drawing")
    root.press("Enter")
    marks.nth(before).wait_for()
    made = marks.nth(before)
    page.locator(".bt-chosen").first.wait_for()
    assert made.get_attribute("points") == "630,420 810,420 810,540 630,540"
    root.evaluate(
        "(root) => { for (let n = 0; n < 5; n += 1) "
        "root.dispatchEvent(new KeyboardEvent('keydown', { key: 'ArrowRight', bubbles: true, cancelable: true })); }"
    )
    moved = made.get_attribute("points")
    assert moved != "630,420 810,420 810,540 630,540"  # before the kernel has heard of it
    sent = number(root)
    page.keyboard.press("ArrowRight")
    sent_after(page, root, sent)
    assert float(made.get_attribute("points").split(",")[0]) > float(moved.split(",")[0])
    root.press("Control+z")  # all six at once
    made.and_(page.locator('[points^="630,"]')).wait_for()
    root.press("Control+z")
    marks.nth(before).wait_for(state="detached")


def test_keys_that_repeat_zoom_further_than_the_pictures_come(page):
    root = stage_of(page, 0)
    root.focus()
    root.evaluate(
        "(root) => { for (let n = 0; n < 2; n += 1) "
        "root.dispatchEvent(new KeyboardEvent('keydown', { key: '+', bubbles: true, cancelable: true })); }"
    )
    root.locator('svg.bt-marks[viewBox="540 360 360 240"]').wait_for()
    root.press("0")
    root.locator('svg.bt-marks[viewBox="0 0 1440 960"]').wait_for()


def test_zooming_asks_for_a_part(page):
    root = stage_of(page, 0)
    sent = number(root)
    root.get_by_role("button", name="Zoom in").click()
    sent_after(page, root, sent)
    assert root.locator("svg.bt-marks").get_attribute("viewBox") == "360 240 720 480"
    sent = number(root)
    root.focus()
    root.press("0")
    sent_after(page, root, sent)
    assert root.locator("svg.bt-marks").get_attribute("viewBox") == "0 0 1440 960"


def test_the_gallery_pages_and_shows_a_broken_picture_s_reason(page):
    root = stage_of(page, 1)
    cells = root.locator(".bt-cell")
    root.locator(".bt-cell[data-shown]").nth(2).wait_for()
    first = cells.first.get_attribute("data-key")
    assert "page 1 of 2" in root.inner_text()
    cells.first.focus()
    page.keyboard.press("PageDown")
    page.wait_for_function("([root]) => root.innerText.includes('page 2 of 2')", arg=[root.element_handle()])
    assert cells.first.get_attribute("data-key") != first
    root.locator(".bt-reason").wait_for()
    assert "broken JPEG" in root.locator(".bt-reason").inner_text()
    root.locator(".bt-cell[data-shown]").first.wait_for()
    root.get_by_role("button", name="Back").click()
    page.wait_for_function("([root]) => root.innerText.includes('page 1 of 2')", arg=[root.element_handle()])


def test_the_focus_goes_to_the_picture_that_is_opened_and_back(page):
    root = stage_of(page, 1)
    cell = root.locator(".bt-cell").nth(1)
    key = cell.get_attribute("data-key")
    cell.focus()
    page.keyboard.press("Enter")
    shown = "([key]) => document.activeElement.querySelector('.bt-title')?.textContent.endsWith(key)"
    page.wait_for_function(shown, arg=[key])
    page.wait_for_function("() => document.activeElement.querySelector('img.bt-before[src]')")
    page.keyboard.press("m")  # and its keys work
    page.locator(".bt-chosen").first.wait_for()
    page.get_by_role("button", name="Back to all pictures").click()
    page.wait_for_function("([key]) => document.activeElement.dataset.key === key", arg=[key])


def test_three_pictures_are_accepted_by_keys(page):
    root = stage_of(page, 2)

    at(page, root, 1)  # the broken one, which is first by path
    root.locator(".bt-problem").wait_for()
    assert "broken JPEG" in root.locator(".bt-problem").inner_text()
    root.focus()
    root.press("a")
    page.wait_for_function("([root]) => root.innerText.includes('nothing can be decided')", arg=[root.element_handle()])
    root.press("n")
    accept_by_keys(page, root, (2, 3, 4))
    assert len(accepted(page.journal)) == 3
    assert {item.reviewer for item in accepted(page.journal)} == {"Ada"}


def test_a_drag_that_ends_on_another_picture_moves_nothing(page):
    root = stage_of(page, 2)
    root.focus()
    title = root.locator(".bt-title").inner_text()
    root.press("b")
    arrives(page, root, title)
    before = [item.marks for item in journalled(page.journal)]
    mark = root.locator(".bt-mark").first
    mark.scroll_into_view_if_needed()
    area = mark.bounding_box()
    title = root.locator(".bt-title").inner_text()
    page.mouse.move(area["x"] + area["width"] / 2, area["y"] + area["height"] / 2)
    page.mouse.down()
    stood = mark.get_attribute("points")
    page.mouse.move(area["x"] + area["width"] / 2 + 60, area["y"] + area["height"] / 2 + 40, steps=3)
    assert mark.get_attribute("points") != stood  # it is under way
    page.keyboard.press("n")
    arrives(page, root, title)
    page.mouse.move(area["x"] + 90, area["y"] + 60)
    page.mouse.up()
    title = root.locator(".bt-title").inner_text()
    root.focus()
    root.press("b")
    arrives(page, root, title)  # the kernel has answered all that was sent
    assert [item.marks for item in journalled(page.journal)] == before
    title = root.locator(".bt-title").inner_text()
    root.press("n")
    arrives(page, root, title)


def test_keys_that_come_at_once_accept_one_picture(page):
    root = stage_of(page, 2)
    root.focus()
    before = len(accepted(page.journal))
    root.evaluate(
        "(root) => ['a', 'a', 'a'].forEach((key) => "
        "root.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true })))"
    )
    page.wait_for_function("([root]) => root.innerText.includes('Not done')", arg=[root.element_handle()])
    assert len(accepted(page.journal)) == before + 1


def test_nothing_went_wrong_and_nobody_else_was_asked(page):
    assert page.problems == []
    assert all(host.startswith("127.0.0.1:") or not host for host in page.hosts), page.hosts


def test_nothing_of_the_original_is_in_the_notebook_that_is_saved(page):
    page.get_by_role("menuitem", name="Settings", exact=True).click()
    page.get_by_role("menuitemcheckbox", name="Save Widget State Automatically").or_(
        page.get_by_role("menuitem", name="Save Widget State Automatically")
    ).first.click()
    saved = page.folder / "demo.ipynb"
    before = os.stat(saved).st_mtime_ns
    page.locator(".jp-Notebook .jp-CodeCell .cm-content").first.click()
    page.keyboard.press("Control+s")
    page.wait_for_function("() => !document.querySelector('.jp-mod-dirty')")
    assert os.stat(saved).st_mtime_ns > before
    text = saved.read_text()
    assert "application/vnd.jupyter.widget-state+json" in text
    assert list(pictures_in(json.loads(text)))
    assert leaks_of(json.loads(text)) == []

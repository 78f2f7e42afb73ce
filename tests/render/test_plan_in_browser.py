"""The HTML report in a real browser: found by search, walked by keyboard, linked into, read by everybody.

make test-browser

BAC_TEST_BROWSER is the path of a Chromium; without it these are skipped.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

CHROMIUM = os.environ.get("BAC_TEST_BROWSER", "")
if not CHROMIUM:
    pytest.skip("BAC_TEST_BROWSER names no Chromium: make test-browser finds or installs one", allow_module_level=True)

import plans  # noqa: E402
from axe_playwright_python.sync_playwright import Axe  # noqa: E402
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright  # noqa: E402

from billing_as_code.model import Address, Change, Class, FieldChange  # noqa: E402
from billing_as_code.plan import Plan  # noqa: E402
from billing_as_code.render import html, impact_html  # noqa: E402

if TYPE_CHECKING:
    from playwright.sync_api import ConsoleMessage, Request

Open = Callable[..., Page]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        # in a container there is often no sandbox to be had; what is opened is ours
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture
def opened(browser: Browser, tmp_path: Path) -> Iterator[Open]:
    """Opens a plan's page; nothing may be fetched, refused or go wrong while it is open."""
    wrong: list[str] = []
    context = browser.new_context()

    def told(message: ConsoleMessage) -> None:
        wrong.append(f"console: {message.text}")

    def fetched(request: Request) -> None:
        if not request.url.startswith("file://"):
            wrong.append(f"fetched: {request.url}")

    def run(plan: Plan, at: str = "", scheme: str = "light") -> Page:
        file = tmp_path / "plan.html"
        figures = [impact_html.section(plan.impact)] if plan.impact is not None else []
        file.write_text("\n".join(html.page(plan, figures=figures)), encoding="ascii")
        page = context.new_page()
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        page.on("console", told)
        page.on("pageerror", lambda error: wrong.append(f"error: {error}"))
        page.on("request", fetched)
        page.goto(f"file://{file}{at}")
        return page

    yield run
    context.close()
    assert wrong == []


def status(page: Page) -> Locator:
    return page.get_by_role("status")


def addresses(page: Page) -> list[str]:
    return page.locator(".change .address").all_text_contents()


def large() -> Plan:
    """10,000 changes of three classes."""
    some = [
        plans.change(
            "replace",
            f"entitlements.c{n}.ai_tokens",
            Class.BREAKING,
            FieldChange("issue.amount", 10_000 + n, 5_000, Class.BREAKING),
        )
        for n in range(3_000)
    ]
    return plans.plan(
        *some,
        *plans.many(2_000, "update", Class.COMMERCIAL, name="gold {}").changes,
        *plans.many(5_000, "create", name="new {}").changes,
    )


# -- the list --------------------------------------------------------------------------------------------------------


def test_the_worst_comes_first_and_stands_open(opened: Open) -> None:
    page = opened(plans.everything())
    assert addresses(page)[:2] == ['customers."old corp"', "entitlements.acme.ai_tokens"]
    expect(status(page)).to_have_text("4 of 4 changes: 2 breaking, 1 commercial, 1 safe")
    expect(page.get_by_text("issue.amount 10,000 → 5,000, and 1 more field")).to_be_visible()
    expect(page.locator("del").first).to_have_text("10,000")
    expect(page.locator("ins").first).to_have_text("5,000")


def test_search_finds_what_has_every_word(opened: Open) -> None:
    page = opened(plans.everything())
    page.get_by_role("searchbox").fill("acme 10,000")
    expect(status(page)).to_have_text("1 of 4 changes: 1 breaking")
    assert addresses(page) == ["entitlements.acme.ai_tokens"]
    page.get_by_role("searchbox").fill("nobody has this")
    expect(status(page)).to_have_text("0 of 4 changes")
    page.get_by_role("button", name="Clear").click()
    expect(status(page)).to_have_text("4 of 4 changes: 2 breaking, 1 commercial, 1 safe")


def test_filters_narrow_the_list_and_stand_in_the_pages_address(opened: Open) -> None:
    page = opened(plans.everything())
    page.get_by_role("checkbox", name="breaking").check()
    page.get_by_role("checkbox", name="customers").check()
    expect(status(page)).to_have_text("1 of 4 changes: 1 breaking")
    assert page.url.endswith("#class=breaking&kind=customers")
    again = opened(plans.everything(), "#class=breaking&kind=customers")
    expect(again.get_by_role("checkbox", name="breaking")).to_be_checked()
    assert addresses(again) == ['customers."old corp"']


def test_a_row_of_the_summary_leads_to_its_changes(opened: Open) -> None:
    page = opened(plans.everything())
    page.get_by_role("link", name="feature ai_tokens").click()
    expect(status(page)).to_have_text("1 of 4 changes: 1 commercial")
    assert addresses(page) == ["features.ai_tokens"]


def test_changes_are_grouped_by_whom_they_are_for(opened: Open) -> None:
    page = opened(plans.everything())
    page.get_by_role("radio", name="whom it is for").check()
    expect(page.locator("h3")).to_have_text(['"old corp" (1)', "acme (2)", "Everybody (1)"])


def test_a_change_has_a_link_that_opens_it(opened: Open) -> None:
    page = opened(plans.everything(), "#at=features.ai_tokens")
    first = page.locator(".change").first
    expect(page.locator("h3").first).to_have_text("The linked change (1)")
    expect(first).to_have_attribute("open", "")
    expect(first.locator("summary").first).to_be_focused()
    expect(first.locator("ins")).to_have_text("0.000003 USD")
    first.get_by_role("link").click()
    assert page.url.endswith("#at=features.ai_tokens")


def test_requests_are_shown_when_they_are_asked_for(opened: Open) -> None:
    page = opened(plans.everything(), "#at=features.ai_tokens")
    page.get_by_text("1 request").first.click()
    expect(page.locator("pre").first).to_contain_text("PATCH /api/v3/openmeter/features/F1")


# -- by keyboard -----------------------------------------------------------------------------------------------------


def test_everything_is_done_by_keyboard(opened: Open) -> None:
    page = opened(plans.everything())
    page.keyboard.press("Tab")
    expect(page.get_by_text("Skip to the changes")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.keyboard.type("ai_tokens")
    expect(status(page)).to_have_text("3 of 4 changes: 2 breaking, 1 commercial")
    summaries = page.locator(".change > summary")
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.matches('.change > summary')"):
            break
    expect(summaries.nth(0)).to_be_focused()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    expect(summaries.nth(2)).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(summaries.nth(2)).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator(".change").nth(2)).to_have_attribute("open", "")
    expect(page.locator(".change").nth(2).locator("ins")).to_have_text("0.000003 USD")
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox")).to_be_focused()


def test_more_of_a_long_group_is_shown_from_where_the_keyboard_is(opened: Open) -> None:
    page = opened(plans.many(300))
    assert len(addresses(page)) == 25
    page.get_by_role("button", name="Show 200 more of 275").press("Enter")
    assert len(addresses(page)) == 225
    expect(page.locator(".change > summary").nth(25)).to_be_focused()
    page.get_by_role("button", name="Show 75 more of 75").press("Enter")
    assert len(addresses(page)) == 300
    expect(page.get_by_role("button", name="more of")).to_have_count(0)


# -- for everybody ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("at", ["", "#at=features.ai_tokens", "#by=whom", "#q=nothing"])
def test_axe_finds_nothing_that_keeps_somebody_out(opened: Open, scheme: str, at: str) -> None:
    page = opened(plans.everything(), at, scheme)
    page.evaluate("for (const details of document.querySelectorAll('details')) details.open = true")
    page.wait_for_timeout(100)
    found = Axe().run(page)
    assert len(found.response["passes"]) > 15
    assert (found.generate_report() if found.violations_count else "") == ""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("number", [20, 200])
def test_axe_finds_nothing_where_it_is_told_whom_a_plan_hits(opened: Open, scheme: str, number: int) -> None:
    page = opened(plans.plan(plans.REPLACED, impact=plans.hits(number)), "", scheme)
    page.evaluate("for (const details of document.querySelectorAll('details')) details.open = true")
    page.wait_for_timeout(100)
    found = Axe().run(page)
    assert (found.generate_report() if found.violations_count else "") == ""


def test_it_follows_the_systems_scheme(opened: Open) -> None:
    colours = [
        opened(plans.everything(), "", scheme).evaluate("getComputedStyle(document.body).backgroundColor")
        for scheme in ("light", "dark")
    ]
    assert colours == ["rgb(255, 255, 255)", "rgb(15, 19, 24)"]


def test_it_does_not_run_over_a_narrow_window(opened: Open) -> None:
    page = opened(replace(plans.everything(), impact=plans.hits(20)))
    page.set_viewport_size({"width": 360, "height": 640})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


# -- text of others --------------------------------------------------------------------------------------------------


def test_text_of_the_catalog_runs_nothing_and_makes_no_element(opened: Open) -> None:
    evil = "</script><script>alert(1)</script><img src=x onerror=alert(1)><!--"
    field = FieldChange(f"metadata.{evil}", evil, f"{evil}2", Class.BREAKING)
    change = Change(Address("entitlements", (evil, evil)), "update", (field,), (evil,), Class.BREAKING)
    page = opened(plans.plan(change, plans.CREATED, scope=(evil,), skipped=((evil, evil),)))
    assert page.locator("img").count() == 0
    assert page.locator("script").count() == 2
    assert evil in page.locator(".change .address").first.text_content()  # type: ignore[operator]
    assert page.locator("del").first.text_content() == evil


def test_the_policy_lets_no_script_of_somebody_else_run(opened: Open, browser: Browser, tmp_path: Path) -> None:
    whole = "\n".join(html.page(plans.everything()))
    (tmp_path / "tampered.html").write_text(
        whole.replace("</main>", '<img src="x.png" onerror="window.ran = 1"><script>window.ran = 2</script></main>')
    )
    page = browser.new_page()
    page.goto(f"file://{tmp_path}/tampered.html")
    expect(status(page)).to_have_text("4 of 4 changes: 2 breaking, 1 commercial, 1 safe")
    assert page.evaluate("window.ran") is None
    page.close()


# -- ten thousand changes --------------------------------------------------------------------------------------------


def test_ten_thousand_changes_are_a_page_of_few_elements(opened: Open, capsys: pytest.CaptureFixture[str]) -> None:
    made = large()
    started = time.perf_counter()
    page = opened(made)
    expect(status(page)).to_have_text("10,000 of 10,000 changes: 3,000 breaking, 2,000 commercial, 5,000 safe")
    there = time.perf_counter() - started
    ready = page.evaluate("performance.timing.domContentLoadedEventEnd - performance.timing.navigationStart")
    assert page.evaluate("document.querySelectorAll('*').length") < 1_500

    started = time.perf_counter()
    page.get_by_role("searchbox").fill("gold 77")
    expect(status(page)).to_have_text("38 of 10,000 changes: 38 commercial")
    searched = time.perf_counter() - started

    started = time.perf_counter()
    page.get_by_role("button", name="Clear").click()
    page.get_by_role("radio", name="whom it is for").check()
    expect(page.get_by_role("button", name="Show 40 more of 9,960 groups")).to_be_visible()
    grouped = time.perf_counter() - started
    assert page.evaluate("document.querySelectorAll('*').length") < 1_500
    with capsys.disabled():
        sys.stderr.write(f"\n10,000 changes: written and there in {there:.2f} s ({ready:.0f} ms to interactive), ")
        sys.stderr.write(f"searched in {searched:.2f} s, grouped anew in {grouped:.2f} s ")


def test_a_link_into_ten_thousand_changes_opens_the_one(opened: Open) -> None:
    page = opened(large(), "#at=entitlements.c2999.ai_tokens")
    expect(page.locator(".change > summary").first).to_be_focused()
    expect(page.locator(".change del").first).to_have_text("12,999")
    assert page.evaluate("document.querySelectorAll('*').length") < 1_500

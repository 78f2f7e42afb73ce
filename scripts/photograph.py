"""Write docs/report.png, the HTML of a real plan as a browser shows it. The plan is that of docs/plan.svg.

BAC_TEST_BROWSER=/path/to/chromium python scripts/photograph.py
"""

from __future__ import annotations

import os

from picture import PROJECT, edited, on_a_terminal
from playwright.sync_api import sync_playwright

PICTURE = PROJECT / "docs" / "report.png"
WIDTH, HEIGHT = 1120, 1000


def main() -> None:
    with edited() as folder, sync_playwright() as playwright:
        on_a_terminal(folder, "bac", "plan", "--out", "plan.json")
        on_a_terminal(folder, "bac", "render", "plan.json", "--format", "html", "--out", "plan.html")
        browser = playwright.chromium.launch(executable_path=os.environ["BAC_TEST_BROWSER"], args=["--no-sandbox"])
        page = browser.new_page(color_scheme="light", viewport={"width": WIDTH, "height": HEIGHT})
        page.goto(f"file://{folder}/plan.html")
        page.screenshot(path=PICTURE)
        browser.close()


if __name__ == "__main__":
    main()

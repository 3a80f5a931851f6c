"""The browser itself: that one is here and shows a page."""

import pytest
from playwright.sync_api import Page

pytestmark = pytest.mark.browser


def test_the_browser_runs_scripts_and_lays_out_text(page: Page) -> None:
    page.set_content(
        "<p id=p>pase</p><script>document.title = document.querySelector('p').offsetWidth</script>"
    )
    assert int(page.title()) > 0

"""Pictures of the pages for the README, from the sample, light and dark.

    python -m tests.support.screenshots        # needs Chromium

Made by hand, not by `just docs`: browsers draw letters in ways of their own.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ROOT: Final = Path(__file__).parents[2]
FOLDER: Final = ROOT / "projector" / "docs" / "pictures"
SCHEMES: Final = ("light", "dark")
#: Bytes of a picture: they are in every clone.
MOST_BYTES: Final = 100_000
_SIZE: Final = {"width": 820, "height": 560}
_KETTLE: Final = (
    "/thread/019b8d62-7a80-7000-8000-000000000002#turn-019b8d62-7b7a-7000-8000-000000000003"
)
_PAGES: Final = {"threads": "/", "thread": _KETTLE}
PICTURES: Final = tuple(FOLDER / f"{name}-{scheme}.png" for name in _PAGES for scheme in SCHEMES)


def main() -> None:
    """Make the pictures anew."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - tests of pages need none

    FOLDER.mkdir(parents=True, exist_ok=True)
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        take(browser, Path(folder), FOLDER)
        browser.close()


def take(browser: Browser, scratch: Path, into: Path) -> None:
    """Project the sample, serve it, and take a picture of each page in each scheme."""
    database = f"sqlite:///{scratch}/p.db"
    command = [sys.executable, "-m", "projector"]
    subprocess.run([*command, "backfill", "--sample", "--database", database], check=True)
    served = [*command, "web", "--port", "0", "--no-browser", "--database", database]
    process = subprocess.Popen(served, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        for scheme in SCHEMES:
            context = browser.new_context(color_scheme=scheme, viewport=_SIZE)  # type: ignore[arg-type]
            page = context.new_page()
            page.goto(address)
            page.wait_for_url("**/")
            for name, path in _PAGES.items():
                page.goto(address.partition("/?")[0] + path)
                page.screenshot(path=into / f"{name}-{scheme}.png")
            context.close()
    finally:
        process.terminate()
        process.communicate()


if __name__ == "__main__":
    main()

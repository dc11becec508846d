"""JupyterLab on loopback and a headless Chromium, once for all tests here; skipped where there is no Chromium."""

import importlib.util
import shutil
from pathlib import Path

import pytest
from lab import Lab, stop

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


def pytest_collection_modifyitems(items):
    missing = None
    if CHROMIUM is None:
        missing = "no Chromium on this machine; on Debian and Ubuntu: apt install chromium"
    elif importlib.util.find_spec("playwright") is None:
        missing = "no playwright here; it is installed by make setup"
    for item in items:
        if Path(__file__).parent in Path(item.path).parents:
            item.add_marker(pytest.mark.browser)
            if missing:
                item.add_marker(pytest.mark.skip(reason=missing))


@pytest.fixture(scope="session")
def lab(tmp_path_factory):
    running = Lab(tmp_path_factory.mktemp("lab"))
    yield running
    stop(running.process)


@pytest.fixture(scope="session")
def chromium():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        options = ["--no-sandbox", "--autoplay-policy=no-user-gesture-required", "--mute-audio"]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=options)
        yield browser
        browser.close()


@pytest.fixture
def page(chromium):
    context = chromium.new_context(viewport={"width": 1200, "height": 900}, accept_downloads=True)
    page = context.new_page()
    page.set_default_timeout(300_000)  # a busy machine takes its time
    yield page
    context.close()


@pytest.fixture(scope="session")
def pictures():
    """Where screenshots are left to be looked at."""
    folder = ROOT / "build" / "pictures"
    folder.mkdir(parents=True, exist_ok=True)
    return folder

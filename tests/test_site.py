"""The site is built from the repository alone: strictly, without a network, a page for each rule with its cases."""

import html
import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from case_files import CaseFile, folders

ROOT = Path(__file__).resolve().parent.parent
OFFLINE = (
    "import socket\n"
    "def refused(*arguments, **options):\n"
    "    raise OSError('the site must be built without a network')\n"
    "socket.socket.connect = socket.getaddrinfo = refused\n"
    "from mkdocs.__main__ import cli\n"
    "cli()\n"
)

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("material") is None, reason="mkdocs-material builds it"
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-c", OFFLINE, "build", "--strict", "--site-dir", str(place)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    return place


def text_of(page: Path) -> str:
    return html.unescape(re.sub(r"<[^>]+>", "", page.read_text(encoding="utf-8")))


def test_each_rule_has_a_page_with_all_its_cases(site: Path) -> None:
    assert len(folders()) > 10
    for folder in folders():
        page = text_of(site / "rules" / f"{folder.name}.html")
        for heading in re.findall(
            r"^## (.+)$", (folder / "README.md").read_text(encoding="utf-8"), re.MULTILINE
        ):
            assert heading in page
        for file in folder.glob("cases/*.py"):
            for function in CaseFile(file).functions:
                assert f"def {function.name}(" in page
                assert function.name.partition("_")[2].replace("_", " ") in page


def test_rules_are_listed_and_led_to(site: Path) -> None:
    listing = (site / "rules" / "index.html").read_text(encoding="utf-8")
    start = (site / "index.html").read_text(encoding="utf-8")
    for folder in folders():
        assert f'href="{folder.name}.html"' in listing
        assert f'href="rules/{folder.name}.html"' in start


def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        loaded = re.findall(r"<(?:script|img|iframe|source)\b[^>]*\bsrc=[\"']?([^\"' >]+)", text)
        loaded += re.findall(
            r"<link\b[^>]*rel=\"?(?:stylesheet|preconnect|preload)\"?[^>]*href=\"?([^\" >]+)", text
        )
        assert loaded
        assert not [address for address in loaded if address.startswith(("http:", "https:", "//"))], page.name


def test_no_link_leads_nowhere(site: Path) -> None:
    for page in site.rglob("*.html"):
        if page.name == "404.html":  # its links start at the address of the server
            continue
        for target in re.findall(r'(?:href|src)="([^"#]+)', page.read_text(encoding="utf-8")):
            if not re.match(r"[a-z]+:", target):
                assert (page.parent / html.unescape(target)).exists(), f"{page.name}: {target}"

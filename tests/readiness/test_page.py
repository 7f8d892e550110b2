"""The report as a page, opened in a real browser: nothing overlaps, nothing is cut off, everything can be read."""

from __future__ import annotations

import datetime as dt
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from lxml import html

from compute_hyperv.cli.page import page
from compute_hyperv.readiness.checks import CHECKS, CONNECTION
from compute_hyperv.readiness.model import Finding, Result, Verdict

_CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
_LONG_PATH = r"\\filer.storage.example.org\instances" + r"\a-folder-with-a-very-long-name" * 6
_UNBROKEN = "PCIROOT(40)#PCI(0100)#PCI(0000)" * 8

# Looks at the laid out page, and leaves what it found in the title.
_EXAMINE = """
const wrong = [];
const seen = element => element.getClientRects().length > 0;
const named = element => element.tagName + '.' + element.className + ' ' + element.textContent.trim().slice(0, 40);
const width = document.documentElement.clientWidth;
if (document.documentElement.scrollWidth > width) wrong.push('the page is wider than the window');
const channel = value => { value /= 255; return value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4; };
const numbers = colour => colour.match(/[0-9.]+/g).map(Number);
const luminance = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
const ground = element => {
  for (let at = element; at; at = at.parentElement) {
    const colour = numbers(getComputedStyle(at).backgroundColor);
    if (colour.length === 3 || colour[3] > 0) return colour;
  }
  return [255, 255, 255];
};
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
const boxes = [];
for (let node = walker.nextNode(); node; node = walker.nextNode()) {
  const element = node.parentElement;
  if (!node.textContent.trim() || !seen(element)) continue;
  const range = document.createRange();
  range.selectNodeContents(node);
  for (const box of range.getClientRects()) {
    if (box.left < -0.5 || box.right > width + 0.5) wrong.push('cut off: ' + named(element));
    const holder = element.closest('.check > div, li, p, h1, h2, h3, a') || element;
    const outer = holder.getBoundingClientRect();
    if (box.right > outer.right + 1 || box.left < outer.left - 1) wrong.push('sticks out: ' + named(element));
    boxes.push([box, element]);
  }
  const ink = luminance(numbers(getComputedStyle(element).color));
  const [light, dark] = [ink, luminance(ground(element))].sort((a, b) => b - a);
  if ((light + 0.05) / (dark + 0.05) < 4.5) wrong.push('faint: ' + named(element));
}
boxes.sort((a, b) => a[0].top - b[0].top);
boxes.forEach(([one, element], index) => {
  for (const [other, next] of boxes.slice(index + 1)) {
    if (other.top >= one.bottom - 3) break;
    const across = Math.min(one.right, other.right) - Math.max(one.left, other.left);
    const down = Math.min(one.bottom, other.bottom) - Math.max(one.top, other.top);
    if (across > 1 && down > 3) wrong.push('overlap: ' + named(element) + ' / ' + named(next));
  }
});
const dark = luminance(ground(document.body)) < 0.5;
document.title = JSON.stringify({wrong: [...new Set(wrong)], dark, texts: boxes.length, width});
"""


def sample() -> list[Result]:
    """Two hosts, every verdict, and texts that are hard to lay out."""
    findings = [
        Finding(Verdict.PASS, "installed"),
        Finding(Verdict.WARN, "one adapter", "two: one for management, one for guests", "Connect a second adapter."),
        Finding(
            Verdict.FAIL, f"{_LONG_PATH} can't be written", "our account may make files", "Give rights.\nAll of them."
        ),
        Finding(Verdict.NOT_APPLICABLE, "no external switch"),
        Finding(Verdict.UNREADABLE, "<script>alert('no markup')</script> & more", remedy="Use an administrator."),
        Finding(Verdict.PASS, "2 of 2 can be assigned", details=(f"Card: assignable at {_UNBROKEN}", "short")),
    ]
    checks = (CONNECTION, *CHECKS)
    hosts = (
        "hv1.example.org",
        "a-host-with-a-name-that-is-as-long-as-names-may-be.datacenter-number-seven.example.org",
    )
    return [
        Result(host, check, findings[number % len(findings)]) for host in hosts for number, check in enumerate(checks)
    ]


def _opened(folder: Path, *, width: int, dark: bool) -> dict[str, object]:
    """What the page looks like to the script above."""
    assert _CHROMIUM, "install the package chromium"
    text = page(sample(), made_at=dt.datetime(2026, 3, 1, 12, 0, tzinfo=dt.UTC))
    file = folder / "report.html"
    file.write_text(text.replace("</body>", f"<script>{_EXAMINE}</script></body>"), encoding="utf-8")
    command = [
        _CHROMIUM,
        "--headless=new",
        "--no-sandbox",  # the tests run as root
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--disable-background-networking",
        f"--user-data-dir={folder / 'profile'}",
        f"--window-size={width},900",
        f"--blink-settings=preferredColorScheme={0 if dark else 1}",
        "--dump-dom",
        file.as_uri(),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    title = re.search(r"<title>(.*?)</title>", done.stdout, re.DOTALL)
    assert title, done.stderr
    found: dict[str, object] = json.loads(html.fromstring(title[1]).text_content())
    return found


@pytest.mark.parametrize(("width", "dark"), [(1400, False), (1400, True), (520, False)])
def test_the_page_looks_right(tmp_path: Path, width: int, dark: bool) -> None:
    found = _opened(tmp_path, width=width, dark=dark)
    assert found["wrong"] == []
    assert found["dark"] is dark
    assert int(str(found["texts"])) > 3 * len(CHECKS)


def test_what_hosts_say_is_text_and_the_page_needs_nothing_else() -> None:
    text = page(sample())
    assert "<script" not in text
    assert "&lt;script&gt;" in text
    assert not re.search(r"(?:src|href)\s*=\s*[\"'](?!#)", text)
    assert "@import" not in text
    assert "url(" not in text


def test_every_result_is_on_the_page_under_its_host() -> None:
    tree = html.fromstring(page(sample()))
    sections = tree.xpath("//section[@class='host']")
    assert [section.xpath("string(.//h2)") for section in sections] == list(dict.fromkeys(r.host for r in sample()))
    assert [len(section.xpath(".//div[@class='check']")) for section in sections] == [len(CHECKS) + 1] * 2

"""The page for people: everything of its own, and nothing from the network that could be markup."""

import re

import pytest

from dataplane.api.live import recorded
from dataplane.api.pages import PAGES
from dataplane.api.server import serve
from dataplane.api.settings import Settings
from tests.api.samples import NO_SURPRISE, RESULT, evidence, get


@pytest.mark.parametrize("path", sorted(PAGES))
async def test_the_page_is_served_under_a_strict_policy(path):
    async with serve(recorded(evidence(), RESULT), NO_SURPRISE) as endpoint:
        status, body, headers = await get(endpoint.urls[0] + path)
    text = body.decode()
    policy = dict(part.split(" ", 1) for part in headers["Content-Security-Policy"].split("; "))
    assert status == 200
    assert headers["Content-Type"].partition(";")[0] == PAGES[path][1]
    assert policy.pop("default-src") == "'none'"
    assert set(policy.values()) <= {"'self'", "'none'"}
    assert "//" not in re.sub(r"^\s*//.*$", "", text, flags=re.MULTILINE)  # no other host is named
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacent|document\.write|eval|Function\(", text
    )
    assert not re.search(r"\son\w+=|<style|style=|javascript:", text)


async def test_what_the_page_asks_for_exists():
    async with serve(recorded(evidence(), RESULT), NO_SURPRISE) as endpoint:
        url = endpoint.urls[0]
        html = (await get(url + "/"))[1].decode()
        script = (await get(url + "/page.js"))[1].decode()
        for path in re.findall(r'(?:src|href)="([^"]+)"', html):
            assert (await get(url + path))[0] == 200
        for name in re.findall(r'list\("(\w+)"', script):
            assert (await get(f"{url}/api/v1/{name}?limit=100"))[0] == 200
            assert f'id="more-{name}"' in html
            assert f'id="count-{name}"' in html
        metrics = (await get(url + "/metrics"))[1].decode()
        for name in re.findall(r"sixscope_\w+", script):
            assert f"\n{name}{{" in metrics
        for name in re.findall(r'at\("([\w-]+)"\)', script):
            assert f'id="{name}"' in html


async def test_the_page_needs_the_token_too():
    async with serve(recorded(evidence(), RESULT), Settings(port=0, token="x" * 16)) as endpoint:
        for path in PAGES:
            assert (await get(endpoint.urls[0] + path))[0] == 401

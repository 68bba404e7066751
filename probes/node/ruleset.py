"""The packet filter rules of a network namespace, as `nft` lists them; nothing is changed."""

import json
import re
import subprocess
from collections.abc import Iterator

from dataplane.rules.natrules import Key, Rules

TIMEOUT_S = 10.0  # tens of thousands of rules
TABLE = re.compile(r"table (\S+) (\S+) \{")
CHAIN = re.compile(r"\s+chain (\S+) \{")
RULE = re.compile(r"\s+(.*) # handle (\d+)")
COUNTER = re.compile(r"counter packets \d+ bytes \d+")


def ruleset() -> tuple[Rules | None, str]:
    """Return the rules of the calling thread's namespace, or None and why they could not be read.

    It blocks: `nft` runs twice, for the rules and for their texts.
    """
    try:
        objects = json.loads(_nft("-j", "-a"))["nftables"]
        return Rules(objects=objects, texts=dict(texts(_nft("-a")))), ""
    except FileNotFoundError:
        return None, "there is no program nft to list rules with"
    except subprocess.CalledProcessError as failure:
        return None, f"nft list ruleset: {failure.stderr.strip() or failure}"
    except (OSError, ValueError, LookupError, subprocess.SubprocessError) as failure:
        return None, f"nft list ruleset: {failure}"


def texts(listing: str) -> Iterator[tuple[Key, str]]:
    """Yield the text of every rule of a listing that has handles (`nft -a list ruleset`).

    What a counter says is left out: it is another one at the next look.
    """
    family = table = chain = ""
    for line in listing.splitlines():
        if found := TABLE.match(line):
            family, table = found.groups()
        elif found := CHAIN.match(line):
            chain = found[1]
        elif found := RULE.match(line):
            yield (
                (family, table, chain, int(found[2])),
                " ".join(COUNTER.sub("counter", found[1]).split()),
            )


def _nft(*options: str) -> str:
    done = subprocess.run(
        ["nft", *options, "list", "ruleset"],
        check=True,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    )
    return done.stdout

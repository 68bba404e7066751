"""The rules and the dashboard: every alert fires where it has to, and no query asks for what is not there."""

import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from dataplane.api import metrics

HERE = Path(__file__).parent
DOCS = HERE.parents[1] / "docs" / "kubernetes"


@pytest.fixture(scope="module")
def rules():
    groups = yaml.safe_load((DOCS / "rules.yaml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


@pytest.mark.needs("prometheus")
def test_promtool_is_content_with_every_rule():
    for words in (
        ["check", "rules", DOCS / "rules.yaml"],
        ["test", "rules", HERE / "rules_test.yaml"],
    ):
        done = subprocess.run(["promtool", *words], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "SUCCESS" in done.stdout


def test_every_alert_and_every_recorded_series_has_a_test(rules):
    tests = (HERE / "rules_test.yaml").read_text()
    names = {rule.get("alert") or rule["record"] for rule in rules}
    untested = {name for name in names if name not in tests}
    assert untested <= {"sixscope:pod_flows:sum"}


def test_every_alert_says_what_is_the_matter_and_what_to_do(rules):
    alerts = [rule for rule in rules if "alert" in rule]
    assert len(alerts) == 9
    for alert in alerts:
        assert alert["annotations"].keys() == {"summary", "remedy"}
        assert alert["labels"]["severity"] in {"warning", "info"}


def test_no_query_names_a_series_that_nobody_makes(rules):
    """The endpoint's own, recorded ones, and `up`."""
    source = Path(metrics.__file__).read_text()
    made = set(re.findall(r'"(sixscope_[a-z_]+)"', source))
    made |= {f"{name}{suffix}" for name in made for suffix in ("_total", "_info")}
    made |= {rule["record"] for rule in rules if "record" in rule}
    dashboard = json.loads((DOCS / "dashboard.json").read_text())
    texts = [rule["expr"] for rule in rules]
    texts += [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    named = {name for text in texts for name in re.findall(r"\bsixscope[_:][a-z0-9_:]+", text)}
    assert len(named) > 15
    assert named <= made

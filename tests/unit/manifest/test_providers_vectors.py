"""Providers' rules and the AWS load balancer controller against upstream's own test cases."""

import pytest

from dataplane.manifest import providers
from dataplane.manifest.documents import Document
from dataplane.manifest.fields import root
from dataplane.rules import awsloadbalancer
from tests.unit.manifest import vectors


@pytest.mark.parametrize("case", vectors.rule_cases("ProviderNetworking"))
def test_providers_refuse_the_networking_that_upstream_refuses(case):
    vectors.agree_with_rules(case)


@pytest.mark.parametrize("case", vectors.rule_cases("OpenStackInfrastructureConfig"))
def test_openstack_refuses_the_ranges_that_upstream_refuses(case):
    vectors.agree_with_rules(case)


@pytest.mark.parametrize("case", vectors.rule_cases("AWSLoadBalancerService"))
def test_the_controller_makes_of_a_service_what_upstream_makes(case):
    assert case is not None
    expected = case["expect"]
    if not expected["valid"]:
        with pytest.raises(ValueError, match=r"\S"):
            awsloadbalancer.evaluate(case["function"], case["object"])
        return
    assert awsloadbalancer.evaluate(case["function"], case["object"]) == expected["result"]


def no_provider_refuses(case):
    """Upstream's cases about Shoots ran Gardener's own rules only: the extensions had no say."""
    top = root(Document(index=0, value=case["object"]))
    spec = top.section("spec")
    old = case.get("old_object")
    before = root(Document(index=0, value=old)).section("spec") if old else None
    written = (spec.values.get("networking") or {}).get("ipFamilies") or ()
    provider = spec.section("provider").text("type")
    providers.check(spec, before, provider=provider, families=written)
    assert vectors.errors(spec.problems) == []


@pytest.mark.parametrize("case", vectors.rule_cases("Shoot"))
def test_gardeners_own_cases_are_no_shoots_of_a_provider(case):
    assert case is not None
    no_provider_refuses(case)


@pytest.mark.parametrize("given", vectors.oracle_cases("Shoot"))
def test_the_oracles_cases_are_no_shoots_of_a_provider(given):
    assert given is not None
    no_provider_refuses(given[0])

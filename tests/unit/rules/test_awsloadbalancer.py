"""What the AWS load balancer controller makes of a Service."""

import pytest

from dataplane.rules.awsloadbalancer import (
    FUNCTIONS,
    Owner,
    Succession,
    evaluate,
    owner,
    succession,
)

PREFIX = "service.beta.kubernetes.io/aws-load-balancer-"
ATTRIBUTES = "target-group-attributes"


def service(spec=None, **annotations):
    written = {f"{PREFIX}{key.replace('_', '-')}": value for key, value in annotations.items()}
    return {"metadata": {"annotations": written}, "spec": spec or {}}


def with_attributes(value, **annotations):
    return service(target_group_attributes=value, **annotations)


DUAL = {"ip_address_type": "dualstack"}
NEW = {"type": "external", "nlb_target_type": "instance"}
BALANCER = {"type": "LoadBalancer"}


@pytest.mark.parametrize(
    ("function", "given", "expected"),
    [
        ("buildLoadBalancerIPAddressType", service(ip_address_type="ipv4"), "ipv4"),
        ("buildLoadBalancerIPAddressType", service(**DUAL), "dualstack"),
        ("buildLoadBalancerIPAddressType", service(other_annotation="somevalue"), "ipv4"),
        ("buildLoadBalancerIPAddressType", {}, "ipv4"),
        ("buildLoadBalancerScheme", service(), "internal"),
        ("buildLoadBalancerScheme", service(scheme="internet-facing"), "internet-facing"),
        ("buildLoadBalancerScheme", service(internal="false"), "internet-facing"),
        ("buildLoadBalancerScheme", service(internal="1"), "internal"),
        ("buildLoadBalancerScheme", service(scheme="internal", internal="false"), "internal"),
        ("buildTargetType", service(), "instance"),
        ("buildTargetType", service(type="nlb-ip"), "ip"),
        ("buildTargetType", service({"type": "ClusterIP"}, nlb_target_type="ip"), "ip"),
        ("buildTargetType", service({"type": "NodePort"}, **NEW), "instance"),
        (
            "buildTargetType",
            service({"allocateLoadBalancerNodePorts": False, "ports": [{"nodePort": 31223}]}),
            "instance",
        ),
        ("buildTargetGroupIPAddressType", service({"ipFamilies": ["IPv4"]}, **DUAL), "ipv4"),
        ("buildTargetGroupIPAddressType", service({"ipFamilies": ["IPv4"]}), "ipv4"),
        ("buildTargetGroupIPAddressType", service({"ipFamilies": ["IPv6"]}, **DUAL), "ipv6"),
        (
            "buildTargetGroupIPAddressType",
            service({"ipFamilies": ["IPv4", "IPv6"]}, **DUAL),
            "ipv6",
        ),
        ("buildTargetGroupAttributes", service(), {"proxy_protocol_v2.enabled": "false"}),
        ("buildTargetGroupAttributes(proxy_protocol_v2.enabled)", service(), "false"),
        (
            "buildTargetGroupAttributes(proxy_protocol_v2.enabled)",
            service(proxy_protocol="*"),
            "true",
        ),
        (
            "buildTargetGroupAttributes(proxy_protocol_v2.enabled)",
            with_attributes("proxy_protocol_v2.enabled=false", proxy_protocol="*"),
            "true",
        ),
        (
            "buildTargetGroupAttributes(proxy_protocol_v2.enabled)",
            with_attributes("proxy_protocol_v2.enabled=true"),
            "true",
        ),
        ("buildTargetGroupAttributes(preserve_client_ip.enabled)", service(), None),
        (
            "buildTargetGroupAttributes",
            with_attributes(
                "target.group-attr-1=80, t2.enabled=false, preserve_client_ip.enabled=1"
            ),
            {
                "preserve_client_ip.enabled": "1",
                "proxy_protocol_v2.enabled": "false",
                "t2.enabled": "false",
                "target.group-attr-1": "80",
            },
        ),
        ("buildTargetGroupAttributes", with_attributes("proxy_protocol_v2.enabled="), {}),
        (
            "buildTargetGroupAttributes(proxy_protocol_v2.enabled)",
            service(
                {"ports": [{"port": 443}, {"port": 80}]},
                proxy_protocol_per_target_group="80, 443,",
            ),
            "true",
        ),
        ("buildPreserveClientIPFlag", service(), True),
        ("buildPreserveClientIPFlag", service(nlb_target_type="ip"), False),
        ("buildPreserveClientIPFlag", with_attributes("preserve_client_ip.enabled=false"), False),
        ("buildLoadBalancerAttributes", service(type="nlb-ip"), {}),
        (
            "buildLoadBalancerAttributes",
            service(
                attributes="access_logs.s3.enabled=false,access_logs.s3.bucket=b,x=1",
                access_log_enabled="true",
                access_log_s3_bucket_name="mine",
                cross_zone_load_balancing_enabled="false",
            ),
            {
                "access_logs.s3.bucket": "mine",
                "access_logs.s3.enabled": "true",
                "load_balancing.cross_zone.enabled": "false",
                "x": "1",
            },
        ),
        ("buildLoadBalancerName", service(name="baz"), "baz"),
        ("IsServiceSupported", service(**NEW), True),
        ("IsServiceSupported", service(type="nlb-ip"), True),
        ("IsServiceSupported", service(type="external"), False),
        ("IsServiceSupported", service(type="nlb"), False),
        ("IsServiceSupported", service({"loadBalancerClass": "service.k8s.aws/nlb"}), True),
        ("IsServiceSupported", service({"loadBalancerClass": "other"}, **NEW), False),
    ],
)
def test_the_controller_makes_it(function, given, expected):
    assert evaluate(function, given) == expected


@pytest.mark.parametrize(
    ("function", "given", "text"),
    [
        (
            "buildLoadBalancerIPAddressType",
            service(ip_address_type="DualStack"),
            "unknown IPAddressType: DualStack",
        ),
        (
            "buildLoadBalancerIPAddressType",
            service(ip_address_type=""),
            "unknown IPAddressType: ",
        ),
        ("buildLoadBalancerScheme", service(scheme="public"), "unknown scheme: public"),
        (
            "buildLoadBalancerScheme",
            service(internal="FalSe"),
            (
                f"failed to parse bool annotation, {PREFIX}internal: FalSe: "
                'strconv.ParseBool: parsing "FalSe": invalid syntax'
            ),
        ),
        (
            "buildTargetType",
            service({"type": "ClusterIP"}, **NEW),
            'unsupported service type "ClusterIP" for load balancer target type "instance"',
        ),
        (
            "buildTargetType",
            service({"allocateLoadBalancerNodePorts": False, "ports": [{"port": 80}]}),
            "unable to support instance target type with an unallocated NodePort",
        ),
        (
            "buildTargetGroupIPAddressType",
            service({"ipFamilies": ["IPv4", "IPv6"]}),
            "unsupported IPv6 configuration, lb not dual-stack",
        ),
        (
            "buildTargetGroupAttributes(proxy_protocol_v2.enabled)",
            service(proxy_protocol="v2"),
            (
                "invalid value v2 for Load Balancer proxy protocol v2 annotation, only value "
                "currently supported is *"
            ),
        ),
        (
            "buildTargetGroupAttributes",
            with_attributes("k1=v1, malformed"),
            f"failed to parse stringMap annotation, {PREFIX}{ATTRIBUTES}: k1=v1, malformed",
        ),
        (
            "buildTargetGroupAttributes",
            with_attributes("preserve_client_ip.enabled= FalSe"),
            (
                "failed to parse attribute preserve_client_ip.enabled= FalSe: strconv.ParseBool: "
                'parsing " FalSe": invalid syntax'
            ),
        ),
        (
            "buildTargetGroupAttributes",
            service(proxy_protocol_per_target_group="80,http"),
            "invalid port number in proxy-protocol-per-target-group: http",
        ),
        (
            "buildLoadBalancerName",
            service(name="b" * 33),
            "load balancer name cannot be longer than 32 characters",
        ),
    ],
)
def test_the_controller_refuses_in_these_words(function, given, text):
    with pytest.raises(ValueError, match=r"\S") as refused:
        evaluate(function, given)

    assert str(refused.value) == text


def test_attributes_of_one_port_go_before_those_of_all():
    given = with_attributes("a=1,b=2", **{"target_group_attributes.443": "a=3,b="})
    given["spec"] = {"ports": [{"port": 80}, {"port": 443}]}

    assert evaluate("buildTargetGroupAttributes(a)", given) == "1"
    assert evaluate("buildTargetGroupAttributes(a)", given, 443) == "3"
    assert evaluate("buildTargetGroupAttributes(b)", given, 443) == "2"


def test_a_name_says_scheme_and_service():
    given = {"metadata": {"namespace": "foo", "name": "bar", "annotations": {}}}
    internal = evaluate("buildLoadBalancerName", given)
    given["metadata"]["annotations"][f"{PREFIX}scheme"] = "internet-facing"

    assert evaluate("buildLoadBalancerName", given) == "k8s-foo-bar-e053368fb2"
    assert internal != "k8s-foo-bar-e053368fb2"


def test_an_unknown_function_names_the_known_ones():
    with pytest.raises(LookupError, match=FUNCTIONS[0]):
        evaluate("buildNothing", {})


@pytest.mark.parametrize(
    "value", [None, [], "x", {"metadata": []}, {"metadata": {"annotations": 1}}]
)
def test_odd_objects_have_no_annotations(value):
    assert (
        evaluate("buildLoadBalancerScheme", value if isinstance(value, dict) else {}) == "internal"
    )


KEPT_BACK = service(BALANCER)
KEPT_BACK["metadata"]["annotations"]["extensions.gardener.cloud/ignore-load-balancer"] = "true"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (service(BALANCER), Owner.CLOUD_PROVIDER),
        (service(BALANCER, type="nlb"), Owner.CLOUD_PROVIDER),
        (service(BALANCER, **NEW), Owner.CONTROLLER),
        (service(BALANCER, type="external"), Owner.NOBODY),
        (service(BALANCER | {"loadBalancerClass": "x"}), Owner.NOBODY),
        (service({"type": "ClusterIP"}, **NEW), Owner.NOBODY),
    ],
)
def test_who_makes_the_balancer(given, expected):
    assert owner(given) is expected


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (service(BALANCER), service(BALANCER, **NEW, **DUAL), Succession.LEFT_OVER),
        (service(BALANCER, type="nlb"), service(BALANCER, **NEW), Succession.LEFT_OVER),
        (service(BALANCER, **NEW), service(BALANCER, **NEW, **DUAL), Succession.KEPT),
        (
            service(BALANCER, **NEW),
            service(BALANCER, **NEW, scheme="internet-facing"),
            Succession.REPLACED,
        ),
        (service(BALANCER, **NEW), service(BALANCER, **NEW, scheme="x"), Succession.KEPT),
        (service(BALANCER, **NEW), service(BALANCER), Succession.REPLACED),
        (service({"type": "ClusterIP"}), service(BALANCER, **NEW), Succession.KEPT),
        (KEPT_BACK, KEPT_BACK, Succession.KEPT),
        (KEPT_BACK, service(BALANCER), Succession.LEFT_OVER),
        (KEPT_BACK, service({"type": "ClusterIP"}), Succession.KEPT),
        (service(BALANCER), service(BALANCER), Succession.KEPT),
    ],
)
def test_what_becomes_of_the_old_balancer(old, new, expected):
    assert succession(old, new) is expected

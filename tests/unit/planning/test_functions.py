"""Planning functions by name, and as upstream's own tests have them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataplane.planning.arguments import RequestError
from dataplane.planning.functions import KINDS, LOAD_BALANCER, Evaluation, evaluate
from tests.unit.manifest.vectors import FOLDER, rule_cases

KINDS_OF_VECTORS = (
    "NodeIPAM",
    "AWSSubnetting",
    "ServiceClusterIPRange",
    "KubeProxyLocalDetector",
    "PodInterfaceName",
    LOAD_BALANCER,
)
FOUR = {"clusterCIDR": "10.32.0.0/22", "nodeMaskSize": 24}
DUAL = {"clusterCIDRs": ["10.32.0.0/16", "2001:db8:32::/48"]}
NONE_LEFT = (
    "CIDR allocation failed; there are no remaining CIDRs left to allocate in the accepted range"
)
LXC = {"ifLocal": ["-i", "lxc+"], "ifNotLocal": ["!", "-i", "lxc+"]}
DETECT = {"clusterCIDRs": ["2001:db8:96::/48"]}


@pytest.mark.parametrize("case", [case for kind in KINDS_OF_VECTORS for case in rule_cases(kind)])
def test_upstreams_own_cases(case):
    assert case is not None, f"SIXSCOPE_VECTORS={FOLDER} has no vectors"
    given = case["args"] if "args" in case else case["object"]
    found = evaluate(case["kind"], case.get("function"), given)

    expected = case["expect"]
    assert found.valid is expected["valid"]
    assert found.result == expected.get("result", found.result)
    assert found.error == expected.get("error", found.error)


@pytest.mark.parametrize(
    ("function", "more", "result"),
    [
        ("NewCIDRSet", {}, None),
        ("indexToCIDRBlock", {"index": 3}, "10.32.3.0/24"),
        ("AllocateNext", {}, "10.32.0.0/24"),
        ("AllocateNext", {"occupied": ["10.32.0.0/23"]}, "10.32.2.0/24"),
        ("AllocateNext x3", {"occupied": ["10.32.1.0/24"], "released": ["10.32.0.0/8"]},
         ["10.32.0.0/24", "10.32.1.0/24", "10.32.2.0/24"]),
        ("AllocateNext x0", {}, []),
        ("Occupy", {"cidr": "10.32.1.128/25"}, {"begin": 1, "end": 1, "allocatedCIDRs": 1}),
        ("Occupy", {"subNetCIDR": "10.0.0.0/8", "occupied": ["10.32.1.0/24"]},
         {"begin": 0, "end": 3, "allocatedCIDRs": 4}),
        ("Release", {"cidr": "10.32.2.0/23", "occupied": ["10.32.0.0/22"]},
         {"begin": 2, "end": 3, "allocatedCIDRs": 2}),
        ("getBeginningAndEndIndices", {"cidr": "10.32.2.0/23"}, [2, 3]),
        ("getIndexForCIDR", {"cidr": "10.32.2.0/24"}, 2),
        ("operations", {"operations": [
            {"operation": "occupy", "cidr": "10.32.0.0/23"}, {"operation": "release", "cidr": "10.32.0.0/24"},
            {"operation": "allocate"}]}, [2, 1, "10.32.0.0/24"]),
    ],
)  # fmt: skip
def test_cidr_sets(function, more, result):
    assert evaluate("NodeIPAM", function, FOUR | more) == Evaluation(valid=True, result=result)


@pytest.mark.parametrize(
    ("function", "args", "result"),
    [
        ("validateCIDRs", {"clusterCIDR": "10.0.0.0/8,2001:db8::/48"}, ["10.0.0.0/8", "2001:db8::/48"]),
        ("setNodeCIDRMaskSizes", DUAL | {"nodeCIDRMaskSizeIPv6": 72}, [24, 72]),
        ("NewCIDRRangeAllocator", DUAL | {"nodes": [{"podCIDRs": ["10.32.0.0/24"]}]}, None),
        ("RangeAllocator", DUAL | {"nodes": [{}, {"name": "b"}]}, [
            {"name": "node0", "podCIDRs": ["10.32.0.0/24", "2001:db8:32::/64"]},
            {"name": "b", "podCIDRs": ["10.32.1.0/24", "2001:db8:32:1::/64"]}]),
        ("AllocateOrOccupyCIDR", DUAL | {
            "nodeCIDRMaskSizes": [26, 60], "serviceCIDR": "10.32.0.0/25", "secondaryServiceCIDR": "",
            "allocatedCIDRs": {"0": ["10.32.0.128/26"]}, "nodes": [{}]},
            [{"name": "node0", "podCIDRs": ["10.32.0.192/26", "2001:db8:32::/60"]}]),
        ("NewNodeIpamController", {"clusterCIDR": "10.240.0.0/16", "nodeCIDRMaskSize": 25, "nodes": [{}]},
         [{"name": "node0", "podCIDRs": ["10.240.0.0/25"]}]),
    ],
)  # fmt: skip
def test_range_allocators(function, args, result):
    assert evaluate("NodeIPAM", function, args) == Evaluation(valid=True, result=result)


@pytest.mark.parametrize(
    ("function", "args", "result", "error"),
    [
        ("AllocateNext x9", FOUR, [f"10.32.{n}.0/24" for n in range(4)], NONE_LEFT),
        ("operations", FOUR | {"operations": [{"operation": "allocate"}, {"operation": "occupy", "cidr": "::/0"}]},
         ["10.32.0.0/24"], "cidr ::/0 is out the range of cluster cidr 10.32.0.0/22"),
        ("RangeAllocator", {"clusterCIDRs": ["10.32.0.0/24"], "nodes": [{}, {}]},
         [{"name": "node0", "podCIDRs": ["10.32.0.0/24"]}],
         f"failed to allocate cidr from cluster cidr at idx:0: {NONE_LEFT}"),
        ("NewCIDRSet", FOUR | {"clusterCIDR": "nonsense"}, None, "invalid CIDR address: nonsense"),
        ("indexToCIDRBlock", {"clusterCIDR": "10.240.0.0/16", "nodeMaskSize": 64, "index": 0}, None,
         "the node CIDR of 10.240.0.0/16 would be <nil>: a mask of /64 does not exist in an address of 32 bits"),
        ("NewNodeIpamController", {"clusterCIDR": "10.240.0.0/16", "nodeCIDRMaskSize": 64,
                                   "nodes": [{"name": "a", "podCIDRs": ["10.240.1.0/24"]}]}, None,
         "failed to mark cidr[10.240.1.0/24] at idx [0] as occupied for node: a: invalid IP: <nil>"),
    ],
)  # fmt: skip
def test_failures_give_what_there_was_before(function, args, result, error):
    found = evaluate("NodeIPAM", function, args)

    assert found == Evaluation(valid=False, result=result, error=error)


@pytest.mark.parametrize(
    ("kind", "function", "args", "result"),
    [
        ("AWSSubnetting", "cidrSubnet", {"base": "10.50.0.0/16", "prefixLength": 18, "index": 1}, "10.50.64.0/18"),
        ("AWSSubnetting", "calcNextIPv6CidrBlock", {"current": "2001:db8::/64"}, "2001:db8:0:1::/64"),
        ("AWSSubnetting", "zoneSubnets", {"vpc": "2001:db8::/56", "zones": 1, "occupied": ["2001:db8::/64"]},
         [{"workers": "2001:db8:0:1::/64", "internal": "2001:db8:0:2::/64", "public": "2001:db8:0:3::/64"}]),
        ("AWSSubnetting", "serviceReservation", {"workers": "2001:db8::/64"}, "2001:db8::10:0/108"),
        ("AWSSubnetting", "nodePrefix", {"workers": "2001:db8::/64", "index": 2}, "2001:db8:0:0:2::/80"),
        ("ServiceClusterIPRange", None, {"serviceClusterIPRange": ["10.0.0.0/16", "2001:db8::/108"]}, None),
        ("ServiceClusterIPRange", "", {"serviceClusterIPRange": "::/0", "multiCIDRServiceAllocator": True}, None),
        ("ServiceClusterIPRange", "validateMaxCIDRRange", {"cidr": "10.0.0.0/12"}, None),
        ("ServiceClusterIPRange", "validatePublicIPServiceClusterIPRangeIPFamilies",
         {"serviceClusterIPRange": "10.0.0.0/16", "advertiseAddress": "::1", "endpointReconcilerType": "none"}, None),
        ("KubeProxyLocalDetector", "getLocalDetectors",
         {"detectLocalMode": "InterfaceNamePrefix", "interfaceNamePrefix": "lxc"},
         {"IPv4": LXC, "IPv6": LXC}),
        ("KubeProxyLocalDetector", None, DETECT | {"detectLocalMode": None},
         {"IPv4": None, "IPv6": {"ifLocal": ["-s", "2001:db8:96::/48"], "ifNotLocal": ["!", "-s", "2001:db8:96::/48"]}}),
        ("PodInterfaceName", None, {"cni": "aws", "namespace": "shop", "pod": "cart-0", "index": 1}, "eni5191ac26994"),
        ("PodInterfaceName", None, {"cni": "cilium", "containerID": "0123abcd"}, "lxcc267950f9aea"),
        ("PodInterfaceName", None, {"cni": "cilium", "endpointID": "0123abcd:eth0"}, "lxcc267950f9aea"),
        (LOAD_BALANCER, "buildLoadBalancerIPAddressType", {}, "ipv4"),
        (LOAD_BALANCER, "IsServiceSupported", {"service": {"spec": {"loadBalancerClass": "x"}}, "port": 80}, False),
    ],
)  # fmt: skip
def test_other_kinds(kind, function, args, result):
    assert evaluate(kind, function, args) == Evaluation(valid=True, result=result)


@pytest.mark.parametrize(
    ("packet", "verdict", "row"),
    [
        ({"source": "2001:db8:96::1"}, "Keep", "cluster-ip-local"),
        ({"source": "2001:db8:97::1"}, "Masquerade", "cluster-ip-not-local"),
        ({"source": "10.0.0.1", "endpoint": "10.0.0.2"}, "Keep", "cluster-ip-no-detector"),
        ({"source": "2001:db8:96::1", "endpoint": None}, "Drop", "no-endpoint"),
        ({"source": "2001:db8:97::1", "destination": "NodePort", "policy": "Local", "endpointOnNode": True},
         "Keep", "external-local-client"),
        ({"source": "2001:db8:97::1", "destination": "NodePort", "policy": "Local", "sourceIsNode": True},
         "Masquerade", "external-local-node"),
    ],
)  # fmt: skip
def test_masquerading(packet, verdict, row):
    whole = {"destination": "ClusterIP", "endpoint": "2001:db8:96::2"} | packet
    found = evaluate("KubeProxyMasquerade", None, DETECT | {"mode": "nftables", "packet": whole})

    assert found.valid
    assert (found.result["verdict"], found.result["row"]) == (verdict, row)


@pytest.mark.parametrize(
    ("kind", "function", "args", "detail", "remedy"),
    [
        ("Shoot", None, {}, 'kind "Shoot" is unknown', "validate --jsonl"),
        ("NodeIPAM", None, {}, "NodeIPAM needs a function", "NewCIDRSet, indexToCIDRBlock"),
        ("NodeIPAM", "Occupy x2", FOUR, 'function "Occupy x2" of NodeIPAM is unknown', "AllocateNext"),
        ("NodeIPAM", "AllocateNext x999999999", FOUR, "999999999 steps are too many", "at most 131072"),
        ("NodeIPAM", "NewCIDRSet", {"nodeMaskSize": 1}, "args.clusterCIDR is missing", 'add "clusterCIDR"'),
        ("NodeIPAM", "NewCIDRSet", FOUR | {"nodeMaskSize": "24"}, "args.nodeMaskSize must be an integer", "write"),
        ("NodeIPAM", "NewCIDRSet", FOUR | {"nodeMaskSize": True}, "args.nodeMaskSize must be an integer", "write"),
        ("NodeIPAM", "NewCIDRSet", FOUR | {"nodeMaskSize": 1 << 63}, "args.nodeMaskSize must be", "64 bits"),
        ("NodeIPAM", "NewCIDRSet", FOUR | {"clusterCIDR": 10}, "args.clusterCIDR must be a text", "write"),
        ("NodeIPAM", "Occupy", FOUR | {"subNetCIDR": [1]}, "args.subNetCIDR must be a text", "write"),
        ("NodeIPAM", "AllocateNext", FOUR | {"occupied": "10.0.0.0/8"}, "args.occupied must be a list", "texts"),
        ("NodeIPAM", "AllocateNext", FOUR | {"occupied": [1]}, "args.occupied must be a list", "texts"),
        ("NodeIPAM", "operations", FOUR | {"operations": [{"operation": "dig"}]},
         "args.operations[0].operation is unknown", "occupy, release or allocate"),
        ("NodeIPAM", "RangeAllocator", DUAL | {"nodes": ["a"]}, "args.nodes[0] must be an object", "write"),
        ("NodeIPAM", "RangeAllocator", DUAL | {"nodes": {}}, "args.nodes must be a list", "objects"),
        ("NodeIPAM", "RangeAllocator", DUAL | {"nodeCIDRMaskSizes": [24]}, "1 node mask sizes for 2", "one for each"),
        ("NodeIPAM", "RangeAllocator", DUAL | {"nodeCIDRMaskSizes": 24}, "args.nodeCIDRMaskSizes must be", "integers"),
        ("AWSSubnetting", "cidrsubnet", {}, 'function "cidrsubnet" of AWSSubnetting', "cidrSubnet, calcNext"),
        ("ServiceClusterIPRange", None, {"serviceClusterIPRange": "::/0", "multiCIDRServiceAllocator": "yes"},
         "args.multiCIDRServiceAllocator must be true or false", "write"),
        ("ServiceClusterIPRange", "validatePublicIPServiceClusterIPRangeIPFamilies",
         {"serviceClusterIPRange": "::/0", "advertiseAddress": "x"}, "args.advertiseAddress must be an address", "write"),
        ("KubeProxyMasquerade", None, {"packet": {"source": "::1", "destination": "Pod"}},
         "args.packet.destination is unknown", "ClusterIP, NodePort"),
        ("PodInterfaceName", None, {"cni": "weave"}, "args.cni: network plugin weave is unknown", "name one"),
        (LOAD_BALANCER, None, {}, f'function "" of {LOAD_BALANCER} is unknown', "buildTargetType"),
    ],
)  # fmt: skip
def test_questions_that_cannot_be_asked(*, kind, function, args, detail, remedy):
    with pytest.raises(RequestError) as refused:
        evaluate(kind, function, args)

    assert detail in str(refused.value)
    assert remedy in refused.value.remedy


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5)
    | st.sampled_from(["10.0.0.0/8", "2001:db8::/48", "::1", "Local", "calico"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip
NAMES = (
    "clusterCIDR", "clusterCIDRs", "nodeMaskSize", "index", "cidr", "operations", "nodes", "base",
    "prefixLength", "current", "vpc", "zones", "workers", "serviceClusterIPRange", "packet", "mode",
    "cni", "namespace", "pod", "endpointID", "nodeCIDRMaskSizes", "allocatedCIDRs", "metadata", "spec",
)  # fmt: skip


@given(
    question=st.sampled_from(
        [(kind, name) for kind, names in KINDS.items() for name in names]
        + [("NodeIPAM", "AllocateNext x3"), (LOAD_BALANCER, "buildTargetType")]
    ),
    args=st.dictionaries(st.sampled_from(NAMES), JSON),
)
def test_whatever_the_arguments_there_is_an_answer_or_a_refusal(question, args):
    try:
        found = evaluate(*question, args)
    except RequestError:
        return
    assert found.valid is (found.error is None)

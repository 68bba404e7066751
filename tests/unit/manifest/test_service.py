"""Services: their load balancers on AWS, alone, after a change, and beside a Shoot."""

import pytest

from dataplane.manifest import kinds, landscape
from dataplane.manifest.case import Case
from dataplane.manifest.documents import read_documents
from dataplane.manifest.fields import root
from dataplane.model.problem import ProblemType, Severity, Source

PREFIX = "service.beta.kubernetes.io/aws-load-balancer"
FIELD = f"metadata.annotations[{PREFIX}"
PLAIN = """\
apiVersion: v1
kind: Service
metadata:
  name: web
  namespace: shop
spec:
  type: LoadBalancer
"""
INGRESS = f"""\
apiVersion: v1
kind: Service
metadata:
  annotations:
    {PREFIX}-ip-address-type: dualstack
    {PREFIX}-scheme: internet-facing
    {PREFIX}-nlb-target-type: instance
    {PREFIX}-type: external
  name: web
  namespace: shop
spec:
  type: LoadBalancer
"""
PROXY = f'    {PREFIX}-proxy-protocol: "*"\n'
SHOOT = """\
apiVersion: core.gardener.cloud/v1beta1
kind: Shoot
metadata: {name: crazy-botany}
spec:
  provider:
    type: aws
    infrastructureConfig:
      apiVersion: aws.provider.extensions.gardener.cloud/v1alpha1
      kind: InfrastructureConfig
      dualStack:
        enabled: true
    controlPlaneConfig:
      apiVersion: aws.provider.extensions.gardener.cloud/v1alpha1
      kind: ControlPlaneConfig
      loadBalancerController:
        enabled: true
  networking:
    ipFamilies: [IPv4]
"""
DUAL_STACK = "spec.provider.infrastructureConfig.dualStack.enabled"
CONTROLLER = "spec.provider.controlPlaneConfig.loadBalancerController.enabled"


def tops(text):
    return [root(document) for document in read_documents(text, name="test")]


def judge(text, old=None):
    (top,) = tops(text)
    kind = kinds.kind("Service", top.text("apiVersion"))
    kind.judge(Case(top=top, old=tops(old)[0] if old else None))
    return top.problems


def beside(*texts):
    """Return what the objects say about each other, by their place."""
    all_tops = tops("---\n".join(texts))
    landscape.check(all_tops)
    return [[(p.severity, p.field) for p in top.problems] for top in all_tops]


def without(text, *words):
    lines = text.splitlines(keepends=True)
    return "".join(line for line in lines if not any(word in line for word in words))


def errors(problems):
    return [(p.field, p.detail) for p in problems if p.severity is Severity.ERROR]


@pytest.mark.parametrize(
    "text", [PLAIN, INGRESS, INGRESS.replace("  name: web\n", PROXY + "  name: w\n")]
)
def test_the_guides_service_is_fine(text):
    assert judge(text) == []


def annotated(key, value):
    return "\n".join(
        f"    {PREFIX}-{key}: {value}" if f"{PREFIX}-{key}:" in line else line
        for line in INGRESS.splitlines()
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            annotated("ip-address-type", "DualStack"),
            [(f"{FIELD}-ip-address-type]", "unknown IPAddressType: DualStack")],
        ),
        (annotated("scheme", "public"), [(f"{FIELD}-scheme]", "unknown scheme: public")]),
        (
            annotated("nlb-target-type", "node"),
            [(f"{FIELD}-nlb-target-type]", 'supported values: "instance", "ip"')],
        ),
        (annotated("type", "nlb"), [(f"{FIELD}-type]", 'supported values: "external"')]),
        (
            without(INGRESS, "-type: external"),
            [(f"{FIELD}-type]", "must be external for a dual-stack load balancer")],
        ),
        (
            without(INGRESS, "nlb-target-type"),
            [(f"{FIELD}-nlb-target-type]", "without it nobody makes a load balancer of type external")],
        ),
        (
            INGRESS.replace("  name: web\n", PROXY.replace('"*"', "v2")),
            [
                (
                    f"{FIELD}-proxy-protocol]",
                    ("invalid value v2 for Load Balancer proxy protocol v2 annotation, only value "
                    "currently supported is *"),
                )
            ],
        ),
        (
            INGRESS.replace("type: LoadBalancer", "type: ClusterIP"),
            [
                (
                    "spec.type",
                    'unsupported service type "ClusterIP" for load balancer target type "instance"',
                )
            ],
        ),
        (
            INGRESS.replace("  type: LoadBalancer", "  ports: []"),
            [
                (
                    "spec.type",
                    'unsupported service type "ClusterIP" for load balancer target type "instance"',
                )
            ],
        ),
        (
            annotated("ip-address-type", "ipv4") + "\n  ipFamilies: [IPv6]\n",
            [("spec.ipFamilies", "unsupported IPv6 configuration, lb not dual-stack")],
        ),
        (
            annotated("scheme", "true"),
            [(f"{FIELD}-scheme]", "must be a text")],
        ),
        (
            PLAIN.replace("LoadBalancer", "Loadbalancer"),
            [
                (
                    "spec.type",
                    'supported values: "ClusterIP", "ExternalName", "LoadBalancer", "NodePort"',
                )
            ],
        ),
        (
            PLAIN + "  ipFamilies: [IPv4, IPv5, IPv4]\n",
            [("spec.ipFamilies[1]", 'supported values: "IPv4", "IPv6"'), ("spec.ipFamilies[2]", "")],
        ),
        (
            PLAIN + "  ipFamilies: [IPv4, IPv6]\n  ipFamilyPolicy: SingleStack\n",
            [
                (
                    "spec.ipFamilyPolicy",
                    ("must be RequireDualStack or PreferDualStack when multiple IP families are "
                    "specified"),
                )
            ],
        ),
        (
            PLAIN.replace("LoadBalancer", "NodePort") + "  loadBalancerClass: x\n",
            [("spec.loadBalancerClass", "may only be used when `type` is 'LoadBalancer'")],
        ),
        (PLAIN.replace("v1\n", "v2\n"), [("apiVersion", 'supported values: "v1"')]),
    ],
)  # fmt: skip
def test_what_is_refused(text, expected):
    problems = judge(text)

    assert errors(problems) == expected
    assert all(problem.remedy for problem in problems)


@pytest.mark.parametrize(
    ("text", "field", "severity"),
    [
        (without(INGRESS, "-scheme"), f"{FIELD}-scheme]", Severity.WARNING),
        (annotated("scheme", "internal"), f"{FIELD}-scheme]", Severity.WARNING),
        (INGRESS + "  ipFamilies: [IPv6]\n", "spec.ipFamilies", Severity.INFO),
        (INGRESS.replace("type: LoadBalancer", "type: NodePort"), "spec.type", Severity.WARNING),
    ],
)
def test_what_is_possible_but_hardly_meant(text, field, severity):
    (problem,) = judge(text)

    assert (problem.field, problem.severity, problem.source) == (field, severity, Source.SEED)


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        (f"{PREFIX}-ip-adress-type", f"{PREFIX}-ip-address-type"),
        (f"{PREFIX}-target-type", f"{PREFIX}-nlb-target-type"),
        ("service.kubernetes.io/aws-load-balancer-scheme", f"{PREFIX}-scheme"),
    ],
)
def test_a_misspelt_annotation_does_nothing(wrong, right):
    problems = judge(INGRESS.replace(right, wrong))

    (warning,) = [p for p in problems if p.type is ProblemType.UNKNOWN_FIELD]
    assert warning.remedy == f"did you mean {right}?"


@pytest.mark.parametrize(
    "suffix",
    [
        "-subnets",
        "-name",
        "-attributes",
        "-security-groups",
        "-target-group-attributes.80",
        "-ssl-cert",
    ],
)
def test_other_annotations_are_left_alone(suffix):
    assert judge(INGRESS.replace("  name: web\n", f"    {PREFIX}{suffix}: a=b\n")) == []


def test_a_problem_of_an_annotation_stands_where_the_annotation_does():
    (problem,) = judge(annotated("scheme", "public"))

    assert INGRESS.splitlines()[problem.line - 1].lstrip().startswith(f"{PREFIX}-scheme")


@pytest.mark.parametrize(
    ("families", "address", "fields"),
    [
        ("[IPv6]", "127.0.0.1", ["status.loadBalancer.ingress[0].ip"]),
        ("[IPv6]", "::1", []),
        ("[IPv4]", "127.0.0.1", []),
        ("[IPv7]", "127.0.0.1", []),
    ],
)
def test_the_address_of_a_balancer_is_of_the_services_family(families, address, fields):
    status = f"status: {{loadBalancer: {{ingress: [{{ip: '{address}'}}, {{hostname: a.b}}]}}}}\n"
    problems = judge(f"{PLAIN}  ipFamilies: {families}\n{status}")

    assert [p.field for p in problems if p.source is Source.SEED] == fields


def test_the_name_of_the_old_balancer_is_a_reminder():
    text = PLAIN.replace(
        "  name: web\n",
        "  annotations: {gardener.cloud/old-load-balancer-name: a.elb.example.org}\n",
    )
    (warning,) = judge(text)

    assert '"a.elb.example.org" is still there, and costs' in warning.detail


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (PLAIN, INGRESS, "old load balancer is left over"),
        (INGRESS, INGRESS, None),
        (annotated("ip-address-type", "ipv4"), INGRESS, None),
        (PLAIN.replace("LoadBalancer", "ClusterIP"), INGRESS, None),
        (annotated("scheme", "internal"), INGRESS, "the load balancer is replaced"),
    ],
)
def test_a_change_may_leave_a_load_balancer_over(old, new, words):
    problems = judge(new, old)

    assert [p.detail[: len(words or "")] for p in problems] == ([words] if words else [])
    assert {p.severity for p in problems} <= {Severity.WARNING}


def test_the_class_of_a_balancer_stays():
    problems = judge(PLAIN + "  loadBalancerClass: service.k8s.aws/nlb\n", PLAIN)

    assert ("spec.loadBalancerClass", "may not change once set") in errors(problems)


ERROR = Severity.ERROR


@pytest.mark.parametrize(
    ("shoot", "expected"),
    [
        (SHOOT, []),
        (SHOOT.replace("      dualStack:\n        enabled: true\n", ""), [(ERROR, DUAL_STACK)]),
        (SHOOT.replace("enabled: true", "enabled: false", 1), [(ERROR, DUAL_STACK)]),
        (
            SHOOT.replace("      loadBalancerController:\n        enabled: true\n", ""),
            [(ERROR, CONTROLLER)],
        ),
        (SHOOT.replace("enabled: true", "enabled: false"), [(ERROR, DUAL_STACK), (ERROR, CONTROLLER)]),
        (SHOOT.replace("enabled: true", "enabled: false").replace("[IPv4]", "[IPv4, IPv6]"), []),
        (SHOOT.replace("type: aws", "type: gcp"), [(ERROR, "spec.provider.type")]),
        (
            "apiVersion: core.gardener.cloud/v1beta1\nkind: Shoot\nspec: {provider: {type: aws}}\n",
            [(ERROR, DUAL_STACK), (ERROR, CONTROLLER)],
        ),
    ],
)  # fmt: skip
def test_dual_stack_ingress_needs_its_cluster(shoot, expected):
    assert beside(shoot, INGRESS) == [expected, []]
    assert beside(INGRESS, shoot) == [[], expected]
    assert beside(shoot, PLAIN) == [[], []]


def test_a_precondition_names_the_service():
    shoot, _ = tops(f"{SHOOT.replace('enabled: true', 'enabled: false', 1)}---\n{INGRESS}")
    landscape.check([shoot, _])

    (problem,) = shoot.problems
    assert problem.message == (
        f"{DUAL_STACK}: Invalid value: false: must be true for the dual-stack load balancer of "
        "Service shop/web: VPC and subnets need IPv6"
    )
    assert (problem.source, problem.line) == (Source.PROVIDER, 11)


def test_with_several_shoots_one_that_fits_is_enough():
    lacking = SHOOT.replace("enabled: true", "enabled: false")

    assert beside(lacking, SHOOT, INGRESS) == [[], [], []]
    assert [len(found) for found in beside(lacking, lacking, INGRESS)] == [2, 2, 0]


def test_configurations_alone_are_the_clusters():
    head = "apiVersion: aws.provider.extensions.gardener.cloud/v1alpha1\nkind: "
    infrastructure, control_plane = f"{head}InfrastructureConfig\n", f"{head}ControlPlaneConfig\n"

    assert beside(infrastructure, control_plane, INGRESS) == [
        [(ERROR, "dualStack.enabled")],
        [(ERROR, "loadBalancerController.enabled")],
        [],
    ]
    assert beside(infrastructure, SHOOT, INGRESS) == [[], [], []]


@pytest.mark.parametrize(
    ("spec", "families", "fields"),
    [
        ("ipFamilies: [IPv6]", "[IPv4]", ["spec.ipFamilies[0]"]),
        ("ipFamilies: [IPv4, IPv6]", "[IPv4]", ["spec.ipFamilies[1]"]),
        ("ipFamilies: [IPv4, IPv6]", "[IPv6, IPv4]", []),
        ("ipFamilyPolicy: RequireDualStack", "[IPv6]", ["spec.ipFamilyPolicy"]),
        ("ipFamilyPolicy: PreferDualStack", "[IPv4]", []),
    ],
)
def test_families_are_those_of_the_cluster(spec, families, fields):
    service = f"{PLAIN}  {spec}\n"
    shoot = SHOOT.replace("[IPv4]", families)

    assert beside(shoot, service) == [[], [(ERROR, field) for field in fields]]
    assert beside(shoot, shoot, service) == [[], [], []]


@pytest.mark.parametrize(
    "text",
    [
        "kind: Service\nspec: 1",
        "kind: Service\nmetadata: {annotations: []}",
        f"kind: Service\nmetadata: {{annotations: {{{PREFIX}-type: 1, {PREFIX}-scheme: null}}}}",
        f"kind: Service\nspec: {{ports: [1], ipFamilies: {{}}}}\nmetadata: {{annotations: {{{PREFIX}-type: external}}}}",
        "kind: Shoot\nspec: {provider: {infrastructureConfig: 1}, networking: {ipFamilies: [1]}}",
    ],
)
def test_odd_objects_are_problems_and_no_crash(text):
    if "Service" in text:
        assert all(problem.message for problem in judge(text))
    assert beside(INGRESS, text)

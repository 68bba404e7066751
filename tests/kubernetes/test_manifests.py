"""The manifests: what the API server would say of them, and what they promise of rights and limits."""

import subprocess
from importlib import import_module
from pathlib import Path

import pytest
import yaml

from dataplane.api.settings import PORT
from dataplane.commands import parser, verbs

DOCS = Path(__file__).resolve().parents[2] / "docs" / "kubernetes"


def written():
    """The resources as they stand in their files, in the kustomization's order."""
    kustomization = yaml.safe_load((DOCS / "kustomization.yaml").read_text())
    for name in kustomization["resources"]:
        yield from yaml.safe_load_all((DOCS / name).read_text())


def of(kind, resources=None):
    (found,) = [one for one in resources or written() if one["kind"] == kind]
    return found


@pytest.fixture
def pod():
    return of("DaemonSet")["spec"]["template"]["spec"]


@pytest.fixture
def container(pod):
    (only,) = pod["containers"]
    return only


@pytest.mark.needs("kubernetes-validate")
def test_every_resource_is_what_the_api_server_takes():
    validate = import_module("kubernetes_validate").validate
    resources = list(written())
    assert len(resources) == 7
    for resource in resources:
        validate(resource, "1.31", strict=True)


@pytest.mark.needs("kubernetes-validate")
def test_the_validator_would_see_a_field_that_is_not_there():
    module = import_module("kubernetes_validate")
    wrong = of("DaemonSet")
    wrong["spec"]["template"]["spec"]["hostProcesses"] = True
    with pytest.raises(module.ValidationError):
        module.validate(wrong, "1.31", strict=True)


@pytest.mark.needs("kubectl", "kubernetes-validate")
def test_kustomize_puts_them_together():
    done = subprocess.run(
        ["kubectl", "kustomize", str(DOCS)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    resources = list(yaml.safe_load_all(done.stdout))
    assert len(resources) == 7
    validate = import_module("kubernetes_validate").validate
    for resource in resources:
        validate(resource, "1.31", strict=True)
        if resource["kind"] not in ("Namespace", "PriorityClass"):
            assert resource["metadata"]["namespace"] == "sixscope"
    daemonset = of("DaemonSet", resources)["spec"]
    labels = daemonset["template"]["metadata"]["labels"]
    assert daemonset["selector"]["matchLabels"].items() <= labels.items()
    (container,) = daemonset["template"]["spec"]["containers"]
    assert container["image"].startswith("registry.example/")


def test_its_arguments_are_those_of_attach(container):
    shell, switch, script, _ = container["command"]
    assert (shell, switch, script) == ("sh", "-c", 'exec sixscope "$@" >/dev/null')
    (attach,) = [verb for verb in verbs() if verb.name == "attach"]
    given = parser([attach]).parse_args(container["args"])
    assert given.serve
    assert given.port == PORT == container["ports"][0]["containerPort"]
    assert given.flow_entries == 2048
    assert not given.insecure_http


def test_what_it_may_use_is_what_gardeners_ops_pod_may(container):
    assert container["resources"]["limits"] == {"cpu": "200m", "memory": "100Mi"}


def test_it_writes_nothing_and_its_only_way_to_the_node_is_the_group_hierarchy(pod, container):
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert "privileged" not in container["securityContext"]
    assert [v["hostPath"]["path"] for v in pod["volumes"] if "hostPath" in v] == ["/sys/fs/cgroup"]
    (secret,) = [volume for volume in pod["volumes"] if "secret" in volume]
    mounts = {mount["name"]: mount for mount in container["volumeMounts"]}
    assert mounts[secret["name"]]["readOnly"] is True


def test_it_asks_the_api_server_for_nothing(pod):
    assert pod["automountServiceAccountToken"] is False
    bindings = [one for one in written() if one["kind"].endswith("Binding")]
    assert bindings
    for binding in bindings:
        assert pod["serviceAccountName"] not in {who["name"] for who in binding["subjects"]}


def test_it_runs_on_every_node_and_displaces_nobody(pod):
    assert pod["tolerations"] == [{"operator": "Exists"}]
    priority = of("PriorityClass")
    assert priority["metadata"]["name"] == pod["priorityClassName"]
    assert priority["preemptionPolicy"] == "Never"


def test_the_kubelet_asks_where_no_token_is_needed(container):
    for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
        assert container[probe]["httpGet"]["path"] in ("/healthz", "/readyz")
        assert container[probe]["httpGet"]["scheme"] == "HTTPS"

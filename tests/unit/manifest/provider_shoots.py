"""Shoots as the providers' documentation has them, and what their extensions say about them."""

from dataplane.manifest import providers
from dataplane.manifest.documents import read_documents
from dataplane.manifest.fields import root
from dataplane.model.problem import Severity

INFRASTRUCTURE = "spec.provider.infrastructureConfig"
AWS = """\
apiVersion: core.gardener.cloud/v1beta1
kind: Shoot
metadata: {name: johndoe-aws, namespace: garden-dev}
spec:
  provider:
    type: aws
    infrastructureConfig:
      apiVersion: aws.provider.extensions.gardener.cloud/v1alpha1
      kind: InfrastructureConfig
      networks:
        vpc:
          cidr: 10.250.0.0/16
        zones:
        - name: eu-central-1a
          internal: 10.250.112.0/22
          public: 10.250.96.0/22
          workers: 10.250.0.0/19
    controlPlaneConfig:
      apiVersion: aws.provider.extensions.gardener.cloud/v1alpha1
      kind: ControlPlaneConfig
    workers:
    - name: worker-xoluy
  networking:
    type: calico
    nodes: 10.250.0.0/16
    pods: 100.96.0.0/11
    services: 100.64.0.0/13
    ipFamilies: [IPv4]
"""
AWS_IPV6 = """\
spec:
  provider:
    type: aws
    infrastructureConfig:
      apiVersion: aws.provider.extensions.gardener.cloud/v1alpha1
      kind: InfrastructureConfig
      networks:
        vpc:
          cidr: 192.168.0.0/16
        zones:
        - name: eu-central-1a
          public: 192.168.32.0/20
          internal: 192.168.48.0/20
    workers: [{name: w}]
  networking:
    type: calico
    ipFamilies: [IPv6]
"""
OPENSTACK = """\
spec:
  provider:
    type: openstack
    infrastructureConfig:
      apiVersion: openstack.provider.extensions.gardener.cloud/v1alpha1
      kind: InfrastructureConfig
      floatingPoolName: pool
      networks:
        workers: 10.250.0.0/19
        ipv6:
          subnetPoolID: my-pool
    controlPlaneConfig:
      apiVersion: openstack.provider.extensions.gardener.cloud/v1alpha1
      kind: ControlPlaneConfig
      loadBalancerProvider: haproxy
    workers: [{name: w}]
  networking:
    type: cilium
    nodes: 10.250.0.0/16
    ipFamilies: [IPv4, IPv6]
    providerConfig:
      apiVersion: cilium.networking.extensions.gardener.cloud/v1alpha1
      kind: NetworkConfig
      overlay: {enabled: false}
"""
GCP = """\
spec:
  provider:
    type: gcp
    infrastructureConfig:
      apiVersion: gcp.provider.extensions.gardener.cloud/v1alpha1
      kind: InfrastructureConfig
      networks:
        workers: 10.242.0.0/19
    workers: [{name: w}]
  networking:
    type: calico
    nodes: 10.242.0.0/19
    pods: 100.96.0.0/11
    ipFamilies: [IPv4, IPv6]
"""
AZURE = """\
spec:
  provider:
    type: azure
    infrastructureConfig:
      apiVersion: azure.provider.extensions.gardener.cloud/v1alpha1
      kind: InfrastructureConfig
      zoned: true
      networks:
        vnet: {cidr: 10.250.0.0/16}
        workers: 10.250.0.0/19
    workers: [{name: w}]
  networking:
    type: calico
    nodes: 10.250.0.0/16
"""


def section(text):
    (document,) = read_documents(text, name="test")
    return root(document)


def spec(text):
    return section(text).section("spec")


def check(text, old=None):
    """Return what the extensions say about a Shoot."""
    it = spec(text)
    families = it.section("networking").texts("ipFamilies") or ()
    former = spec(old) if old else None
    providers.check(it, former, provider=it.section("provider").text("type"), families=families)
    return it.problems


def changed(text, *pairs):
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    return text


def errors(problems):
    return [problem.message for problem in problems if problem.severity is Severity.ERROR]


def warnings(problems):
    return [problem.message for problem in problems if problem.severity is Severity.WARNING]

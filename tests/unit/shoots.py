"""Manifests for tests, with a place for what each is about."""

SIX = """\
apiVersion: core.gardener.cloud/v1beta1
kind: Shoot
metadata: {name: six, namespace: garden-x}
spec:
  provider: {type: local, workers: [{name: w, machine: {type: local}, minimum: 1, maximum: 1}]}
  networking:
    type: calico
    ipFamilies: [IPv6]
    nodes: 2001:db8:e::/64
    pods: %s
    services: 2001:db8:5e::/112
"""

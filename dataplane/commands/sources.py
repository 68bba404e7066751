"""What `attach` knows of a node by others than its probes: files, container runtime, manifest."""

import argparse
import socket
import time
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import replace
from ipaddress import IPv6Address
from pathlib import Path

from dataplane import manifest
from dataplane.commands.verb import Exit, UsageError, add_runtime_options
from dataplane.manifest import read_documents
from dataplane.model.address import Address
from dataplane.model.answer import Finding, State
from dataplane.model.cluster import Cluster
from dataplane.model.evidence import Evidence
from dataplane.model.node import NODE, NodeFacts
from dataplane.model.problem import InvalidInputError, Severity
from dataplane.model.seen import ProbeReport
from dataplane.model.topology import Tap
from dataplane.rules.nodeexpected import expect
from dataplane.rules.nodeobject import NodeObject, by_object, objects, own
from dataplane.session.blame import Blame
from dataplane.session.expecting import (
    Contradiction,
    Judged,
    Promise,
    answers,
    by_manifest,
    promises,
)
from dataplane.session.follow import Follower
from dataplane.session.forensics import Forensics
from probes.node import kubeapi
from probes.node.configuration import facts
from probes.node.cri import Runtime
from probes.node.inside import inside
from probes.node.interfaces import PodInterface, pod_interfaces
from probes.node.kubeapi import KubeApiError
from probes.node.pods import Pods, node_root
from probes.node.ruleset import ruleset
from probes.node.sysctls import forwarding
from probes.node.ways import lacking

NOBODY = "none"
RULES = 4  # that one finding quotes


def add_source_options(parser: argparse.ArgumentParser) -> None:
    """Add who knows the pods, and by what the node is judged."""
    add_runtime_options(parser)
    told = parser.add_mutually_exclusive_group()
    told.add_argument(
        "--node-object",
        type=Path,
        metavar="FILE",
        help="what the API server says of this node: `kubectl get node NAME -o json`",
    )
    told.add_argument(
        "--kubeconfig",
        type=Path,
        metavar="FILE",
        help="ask the API server for this node's Node, one GET (nobody is asked)",
    )
    parser.add_argument(
        "--node-name",
        metavar="NAME",
        help="what the API server calls this node (its host name)",
    )
    parser.add_argument(
        "--shoot",
        type=Path,
        metavar="FILE",
        help="judge by this manifest (by the configuration that lies on the node)",
    )


class Sources:
    """Where names of pods come from; each look is one reading of all of them."""

    def __init__(self, options: argparse.Namespace) -> None:
        """Take the options of `add_source_options`.

        UsageError when a named socket is not there, InvalidInputError when the manifest is none.
        """
        self.root: Path = options.node_root or node_root()
        self._asked = options.cri is not None
        self._runtime: Runtime | None = None
        if options.cri != NOBODY:
            named = Path(options.cri.removeprefix("unix://")) if options.cri else None
            if named is not None and not named.is_socket():
                raise UsageError(f"--cri {options.cri}: there is no socket; none asks nobody")
            self._runtime = Runtime(self.root, named)
        self._object: Path | None = options.node_object
        self._kubeconfig: Path | None = options.kubeconfig
        self._name: str = options.node_name or socket.gethostname().lower()
        self.shoot: Path | None = options.shoot
        self.cluster = None if self.shoot is None else _cluster(self.shoot)

    def pods(self) -> Pods:
        """Return the pods that the node knows now.

        UsageError when a runtime that was named does not answer the first time.
        """
        if self._runtime is None:
            return Pods(self.root)
        sandboxes = self._runtime.sandboxes()
        if self._runtime.trouble and self._asked:
            raise UsageError(f"--cri {self._runtime.trouble}")
        self._asked = False  # it may restart while it is followed
        return Pods(self.root, sandboxes)

    def node_object(self, facts: NodeFacts) -> NodeObject | None:
        """Return what the API server says of this node; None where nobody was named to tell.

        UsageError when it could not be read or asked, or when it is another node's.
        """
        if self._object is None and self._kubeconfig is None:
            return None
        try:
            if self._kubeconfig is not None:
                document, where = kubeapi.node(self._kubeconfig, self._name)
            else:
                document, where = _document(self._object), str(self._object)
            return own(objects(document, where), facts, self._name)
        except (OSError, ValueError, KubeApiError, InvalidInputError) as failure:
            option = "--node-object" if self._kubeconfig is None else "--kubeconfig"
            raise UsageError(f"{option} {failure}") from failure

    @property
    def unasked(self) -> tuple[str, ...]:
        """Return who could not be asked at the last look, and why."""
        trouble = self._runtime.trouble if self._runtime is not None else ""
        return (f"the container runtime was not asked: {trouble}",) if trouble else ()


class Knowledge:
    """What the node is judged by, and its answers once it was followed."""

    def __init__(self, sources: Sources, pods: Sequence[PodInterface]) -> None:
        """Read what the node says of itself, in the calling thread's namespace."""
        self.sources = sources
        self.exit_code: int = Exit.HOLDS
        self._facts = facts(sources.root, pods)
        self._expected = expect(self._facts)
        told = sources.node_object(self._facts)
        if told is not None:
            self._expected = by_object(self._expected, self._facts, told)
        if sources.cluster is not None:
            self._expected = by_manifest(self._expected, sources.cluster, str(sources.shoot))
        self.blame = Blame(ruleset, time.monotonic)
        self.blame.know(pod.tap() for pod in pods)

    def forensics(self, taps: Iterable[Tap]) -> Forensics:
        """Return what joins findings of these taps, with what the node says of pods and families."""

        def asked(pod: str, address: Address) -> int | None:
            if not isinstance(address, IPv6Address):
                return None
            return lacking(pod_interfaces(self.sources.pods()), pod, address)

        return Forensics(taps, self._facts.pods, self._expected.families.value, asked)

    def told(self) -> Iterator[Promise | Contradiction]:
        """Yield every value with its source, and where sources differ."""
        return promises(self._expected)

    def answers(self, follower: Follower) -> list[Judged]:
        """Judge what a follower has seen; in the calling thread's namespace.

        The exit code is that of a broken check where the last answers have one. What is unknown is told
        and is no failure: a node may have nobody to ask.
        """
        evidence = replace(
            follower.evidence(), packets=follower.ways.packets(self._expected.dns.value or ())
        )
        owners = {tap.name: tap.owner for tap in evidence.header.taps}
        self.blame.know(evidence.header.taps)

        def explain(check: str, finding: Finding) -> Finding:
            if check != "masquerade":
                return finding
            rules = dict.fromkeys(
                f"rule: {self.blame(pod, out)[0]}"
                for pod, out in follower.ways.changed()
                if owners.get(pod.tap) == finding.subject
            )
            return replace(finding, evidence=(*tuple(rules)[:RULES], *finding.evidence))

        whole = self._inside(_read(_whole(evidence, follower.gone)), follower.gone)
        found = list(answers(self._expected, whole, self._facts.pods, explain))
        found += follower.forensics.judged(whole.reports)
        broken = any(answer.state is State.BROKEN for answer in found)
        self.exit_code = Exit.BROKEN if broken else Exit.HOLDS
        return found

    def _inside(self, evidence: Evidence, gone: Container[str]) -> Evidence:
        """Add what the node and its pods are from inside; a pod that has ended has no sockets."""
        ended = {tap.owner for tap in evidence.header.taps if tap.name in gone}
        read = inside(pod for pod in pod_interfaces(self.sources.pods()) if pod.owner not in ended)
        there = {report.where for report in read.reports}
        absent = (
            ProbeReport(probe="sockets", where=owner, hook="sock_diag")
            for owner in sorted(ended - there)
        )
        return replace(
            evidence,
            addresses=read.addresses,
            listeners=read.listeners,
            reports=(*evidence.reports, *read.reports, *absent),
        )


def _whole(evidence: Evidence, gone: Container[str]) -> Evidence:
    """Return evidence whose books do not hold it against a probe that a pod has ended."""
    reports = tuple(
        replace(report, blind=None) if report.where in gone else report
        for report in evidence.reports
    )
    return replace(evidence, reports=reports)


def _read(evidence: Evidence) -> Evidence:
    """Add the forwarding of the calling thread's namespace, with its books."""
    blind = None
    try:
        settings = forwarding(NODE)
    except OSError as failure:
        settings, blind = (), str(failure)
    report = ProbeReport(
        probe="sysctls",
        where=NODE,
        hook="procfs",
        counted=len(settings),
        recorded=len(settings),
        blind=blind,
    )
    return replace(evidence, settings=settings, reports=(*evidence.reports, report))


def _document(path: Path | None) -> object:
    """Return the first document of a file in YAML or JSON."""
    found = [] if path is None else list(read_documents(path.read_text(), name=str(path)))
    if not found:
        raise ValueError(f"{path} is empty")
    return found[0].value


def _cluster(path: Path) -> Cluster:
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as failure:
        raise UsageError(f"--shoot {path}: {failure}") from failure
    parsed = manifest.parse(text, name=str(path))
    if parsed.cluster is None or any(p.severity is Severity.ERROR for p in parsed.problems):
        raise InvalidInputError(str(path), parsed.problems)
    return parsed.cluster

"""Stimuli in short, for tests."""

from itertools import count

from dataplane.model.address import Family
from dataplane.model.stimulus import Outcome, Reach, Resolve, Stimulus, Transport
from labs.build import Lab
from labs.drive import Driver

_numbers = count()


def reach(pod: str, target: object, transport: str = "tcp", port: int = 8080, **more) -> Reach:
    return Reach(
        id=f"s{next(_numbers)}",
        check="test",
        pod=pod,
        target=str(target),
        transport=Transport(transport),
        port=0 if transport == "icmp" else port,
        **more,
    )


def resolve(pod: str, name: str, type_: str = "AAAA", **more) -> Resolve:
    return Resolve(id=f"s{next(_numbers)}", check="test", pod=pod, name=name, type=type_, **more)


async def drive(lab: Lab, *stimuli: Stimulus) -> list[Outcome]:
    outcomes = await Driver(lab).drive(stimuli)
    assert [outcome.stimulus for outcome in outcomes] == [stimulus.id for stimulus in stimuli]
    for outcome in outcomes:
        assert outcome.started_ns <= outcome.ended_ns
    return outcomes


async def one(lab: Lab, stimulus: Stimulus) -> Outcome:
    return (await drive(lab, stimulus))[0]


V4, V6 = Family.IPV4, Family.IPV6

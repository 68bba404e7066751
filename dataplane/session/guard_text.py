"""What watching costs and what it leaves, as lines for a terminal."""

from collections.abc import Iterator

from dataplane.session.cost import Cost, OverBudget
from dataplane.session.digest import Compared, Difference

MOST = 12  # differences that are shown
SHOWN = 16  # digits of a digest that a line shows


def lines(told: Compared | Cost | OverBudget) -> Iterator[str]:
    """Yield one line for the whole; of a digest one for each difference, of a cost one per program."""
    match told:
        case Compared():
            yield from _digest(told)
        case Cost():
            yield from _cost(told)
        case OverBudget():
            yield (
                f"budget  exceeded: {told.share:.1%} of a CPU in the last {told.seconds:.1f} s, and "
                f"--max-overhead allows {told.budget:.1%}: sixscope detaches itself"
            )


def _cost(told: Cost) -> Iterator[str]:
    when = "in all" if told.last else "window"
    share = f"{told.share:.2%} of a CPU (agent {told.cpu_share:.2%}"
    if told.programs_share is None:
        share += "; programs are not measured without --measure-cost)"
    else:
        share += f", programs {told.programs_share:.2%}, timed for {told.sampled:.1f} s)"
    memory = f"{told.resident / 1e6:.0f} MB resident, {told.peak / 1e6:.0f} MB at most"
    yield f"cost    {when} {told.seconds:.1f} s: {share}; {memory}"
    for one in told.programs:
        yield (
            f"        {one.program:<20} {one.runs / told.sampled:,.0f} packets or calls per s, "
            f"{one.per_run:,.0f} ns each"
        )


def _digest(told: Compared) -> Iterator[str]:
    size = f"{told.things} things in {told.namespaces} namespaces, {told.seconds:.2f} s"
    if told.same:
        yield f"digest  the machine is as before: {told.before[:SHOWN]} ({size})"
    else:
        yield (
            f"digest  {_verdict(told)}: {told.before[:SHOWN]} before, {told.after[:SHOWN]} after ({size})"
        )
    yield from map(_difference, told.differences[:MOST])
    if more := len(told.differences[MOST:]) + told.untold:
        yield f"        and {more} more (-o json tells {len(told.differences)} of them)"
    yield from (f"        not read: {words}" for words in told.not_read)


def _verdict(told: Compared) -> str:
    if told.left:
        return f"SIXSCOPE LEFT {told.left} THINGS"
    if told.hooks_same:
        return "nothing of sixscope is left and the hooks are as before, other things differ"
    return "nothing of sixscope is left, but hooks DIFFER"


def _difference(one: Difference) -> str:
    where = " ".join(filter(None, (one.namespace, one.interface, one.thing)))
    note = f" ({one.note})" if one.note else ""
    return (
        f"        {one.area}: {where}: {one.before or 'nothing'} -> {one.after or 'nothing'}{note}"
    )

"""What somebody may have meant who wrote a name that there is none of."""

from collections.abc import Collection
from difflib import get_close_matches

FEW = 8  # names that a message can carry without hiding what it says


def suggest(name: str, known: Collection[str], *, listing: str) -> str:
    """Return what to do instead: the names that look like it, or all where they are few.

    `listing` is the command that shows all of them. Names that have a part in common count, too:
    `dns64` is in `dns64-off`.
    """
    close = get_close_matches(name[:64], known, n=3, cutoff=0.65)
    within = sorted(other for other in known if name and name in other and other not in close)
    close += sorted(within, key=lambda other: not other.startswith(name))
    if close:
        return f"did you mean {' or '.join(close[:3])}? `{listing}` shows all {len(known)}"
    if len(known) <= FEW:
        return f"there are: {', '.join(known)}"
    return f"`{listing}` shows all {len(known)}"

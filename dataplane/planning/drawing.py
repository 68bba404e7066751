"""A plan as a picture: the address tree as SVG, one row per range, prefix or address.

On the right, a scale of the address's bits shows which of them a row adds to its parent's. No
script, no font file, no reference to anything outside.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from xml.sax.saxutils import escape

from dataplane.model.address import Family
from dataplane.model.plan import Plan
from dataplane.planning.tree import SHOWN, Branch, trees

WIDTH = 1200
ROW, INDENT, LEFT, TOP = 24, 22, 24, 64
LABELS = 500  # where the words begin
SCALE, SCALE_WIDTH = 920, 256
COLOURS = {
    "range": ("#1d4ed8", "range of the cluster"),
    "subnet": ("#6b7280", "subnet of the cloud"),
    "pool": ("#0891b2", "part in use"),
    "pods": ("#15803d", "pods of a node"),
    "clat": ("#a16207", "CLAT addresses"),
    "node": ("#7c3aed", "node"),
    "pod": ("#22c55e", "pod"),
    "service": ("#db2777", "Service"),
}
INK, FAINT, PALE = "#111827", "#6b7280", "#e5e7eb"
LONGEST = 62  # characters of a row's words


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    branch: Branch
    depth: int
    parent: int  # number of the parent's row, -1 for a root
    start: int  # prefix length of the parent


def render_svg(plan: Plan, *, shown: int = SHOWN) -> str:
    """Return the address tree as an SVG document; `shown` children of a kind are drawn each."""
    parts: list[str] = []
    kinds: set[str] = set()
    y = TOP
    for family, roots in trees(plan, shown=shown).items():
        rows = list(_rows(roots))
        kinds |= {row.branch.kind for row in rows}
        parts += _family(family, rows, y)
        y += ROW * (len(rows) + 2)
    height = y + ROW
    title = f"Address tree of cluster {plan.name}"
    cloud = f"cloud model {plan.cloud.model}, {len(plan.nodes)} nodes, {len(plan.pods)} pods"
    size = f'width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}"'
    font = 'font-size="13" font-family="sans-serif"'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" role="img" {size} {font}>',
            f"<title>{_text(title)}</title>",
            f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
            _words(LEFT, 28, _cut(title, 80), size=18, weight="bold"),
            _words(LEFT, 48, cloud, fill=FAINT),
            *_legend(height, kinds),
            *parts,
            "</svg>\n",
        ]
    )


def _rows(branches: tuple[Branch, ...]) -> Iterator[_Row]:
    count = 0

    def walk(branch: Branch, depth: int, parent: int, start: int) -> Iterator[_Row]:
        nonlocal count
        number = count
        count += 1
        yield _Row(branch=branch, depth=depth, parent=parent, start=start)
        length = start if branch.network is None else branch.network.prefixlen
        for child in branch.children:
            yield from walk(child, depth + 1, number, length)

    for root in branches:
        yield from walk(root, 0, -1, 0)


def _family(family: Family, rows: list[_Row], y: int) -> list[str]:
    """Return a family's tree: heading, scale, connectors, rows."""
    bits = family.bits
    parts = [_words(LEFT, y + 17, str(family), size=15, weight="bold")]
    for tick in range(0, bits + 1, bits // 8):
        x = _bit(tick, bits)
        parts.append(
            f'<line x1="{x}" y1="{y + ROW}" x2="{x}" y2="{y + ROW * (len(rows) + 1)}" '
            f'stroke="{PALE}"/>'
        )
        parts.append(_words(x, y + 17, f"/{tick}", size=10, fill=FAINT, anchor="middle"))
    tops = [y + ROW * (number + 1) for number in range(len(rows))]
    for row, top in zip(rows, tops, strict=True):
        if row.parent >= 0:
            x = LEFT + INDENT * (row.depth - 1) + 5
            parts.append(
                f'<path d="M{x} {tops[row.parent] + 18}V{top + 12}h{INDENT - 8}" '
                f'fill="none" stroke="#9ca3af"/>'
            )
    for row, top in zip(rows, tops, strict=True):
        parts += _row(row, top, bits)
    return parts


def _row(row: _Row, top: int, bits: int) -> Iterator[str]:
    x, branch = LEFT + INDENT * row.depth, row.branch
    if branch.network is None:
        words = (
            f"and {branch.more} more ({COLOURS.get(branch.labels[0], ('', branch.labels[0]))[1]})"
        )
        yield _words(x + 18, top + 17, words, fill=FAINT)
        return
    colour, _ = COLOURS[branch.kind]
    length = branch.network.prefixlen
    shown = str(branch.network[0]) if length == bits else str(branch.network)
    yield f'<rect x="{x}" y="{top + 7}" width="11" height="11" rx="2" fill="{colour}"/>'
    yield _words(x + 18, top + 17, shown, family="monospace")
    yield _words(LABELS, top + 17, _cut(", ".join(branch.labels), LONGEST), fill=INK)
    begin, end = _bit(row.start, bits), _bit(length, bits)
    yield f'<rect x="{SCALE}" y="{top + 8}" width="{begin - SCALE}" height="9" fill="{PALE}"/>'
    yield f'<rect x="{begin}" y="{top + 8}" width="{end - begin}" height="9" fill="{colour}"/>'


def _legend(height: int, kinds: set[str]) -> Iterator[str]:
    """Yield what the colours mean, as far as they are there."""
    x, y = LEFT, height - 18
    for colour, name in (COLOURS[kind] for kind in COLOURS if kind in kinds):
        yield f'<rect x="{x}" y="{y - 10}" width="11" height="11" rx="2" fill="{colour}"/>'
        yield _words(x + 17, y, name, size=12, fill=FAINT)
        x += 32 + 7 * len(name)
    yield _words(SCALE, y, "bits that a row adds to its parent's", size=12, fill=FAINT)


def _bit(length: int, bits: int) -> int:
    """Return where a prefix length lies on the scale."""
    return SCALE + SCALE_WIDTH * length // bits


def _words(  # noqa: PLR0913 - the attributes of a text, each with its default
    x: int,
    y: int,
    text: str,
    *,
    size: int | None = None,
    fill: str = INK,
    weight: str = "",
    family: str = "",
    anchor: str = "",
) -> str:
    given = {
        "font-size": str(size or ""),
        "font-weight": weight,
        "font-family": family,
        "text-anchor": anchor,
    }
    more = "".join(f' {name}="{value}"' for name, value in given.items() if value)
    return f'<text x="{x}" y="{y}" fill="{fill}"{more}>{_text(text)}</text>'


def _text(text: str) -> str:
    """Return text that is only text: no markup, and nothing that XML does not allow."""
    return escape("".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text))


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"

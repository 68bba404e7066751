"""Names of objects and in the DNS, as every Kubernetes API server checks them.

Sources: `apimachinery/pkg/api/validate/content/dns.go` (RFC 1123 labels and subdomains),
`pkg/util/validation/validation.go` (IsFullyQualifiedDomainName), `pkg/api/validation/objectmeta.go`.
"""

from re import compile as regex

from dataplane.model.problem import Problem, Source
from dataplane.rules.fielderror import invalid, required

LONGEST_LABEL, LONGEST_SUBDOMAIN = 63, 253  # octets
_LABEL_FORM = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN_FORM = rf"{_LABEL_FORM}(\.{_LABEL_FORM})*"
_LABEL, _SUBDOMAIN = regex(_LABEL_FORM), regex(_SUBDOMAIN_FORM)
_LABEL_TEXT = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and "
    "must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used "
    f"for validation is '{_LABEL_FORM}')"
)
_SUBDOMAIN_TEXT = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "
    "'.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used "
    f"for validation is '{_SUBDOMAIN_FORM}')"
)


def missing(path: str, *, remedy: str, source: Source = Source.GARDENER) -> Problem:
    """Return `field.Required(path, "")`: a line without any detail."""
    return required(path, "", remedy=remedy, source=source)


def label(text: str, *, unit: str = "bytes") -> list[str]:
    """Return what is wrong with a label, in Kubernetes' words; `unit` was `characters` once."""
    wrong = _too_long(text, LONGEST_LABEL, unit)
    if not _LABEL.fullmatch(text):
        dotted = _SUBDOMAIN.fullmatch(text) and unit == "bytes"
        wrong.append("must not contain dots" if dotted else _LABEL_TEXT)
    return wrong


def subdomain(text: str, *, unit: str = "bytes") -> list[str]:
    """Return what is wrong with a subdomain, in Kubernetes' words."""
    wrong = _too_long(text, LONGEST_SUBDOMAIN, unit)
    return wrong if _SUBDOMAIN.fullmatch(text) else [*wrong, _SUBDOMAIN_TEXT]


def qualified(path: str, name: str, *, unit: str = "bytes") -> list[Problem]:
    """Check a fully qualified domain name: two labels at least, a dot at its end is fine."""
    if not name:
        return [missing(path, remedy="write a name such as api.shoot.example.com")]
    name = name.removesuffix(".")
    if wrong := subdomain(name, unit=unit):
        remedy = "write lower case letters, digits, '-' and '.', at most 253 of them"
        return [invalid(path, name, ",".join(wrong), remedy=remedy)]
    labels = name.split(".")
    if len(labels) < 2:
        detail = "should be a domain with at least two segments separated by dots"
        return [invalid(path, name, detail, remedy=f"write for example {name[:63]}.example.com")]
    for part in labels:
        if wrong := label(part, unit=unit):
            remedy = f"between two dots there is room for {LONGEST_LABEL} characters"
            return [invalid(path, part, ",".join(wrong), remedy=remedy)]
    return []


def namespaced(
    path: str, name: str | None, namespace: str | None, *, generated: bool = False
) -> list[Problem]:
    """Check the name and the namespace of an object at `path`, its metadata.

    With `generated`, the name is the API server's to choose (`generateName`).
    """
    source = Source.KUBERNETES
    problems = []
    where = f"{path}.name"
    if not name and not generated:
        detail, remedy = "name or generateName is required", "give the object a name"
        problems.append(required(where, detail, remedy=remedy, source=source))
    for wrong in subdomain(name) if name else ():
        remedy = "write lower case letters, digits, '-' and '.'"
        problems.append(invalid(where, name, wrong, remedy=remedy, source=source))
    where = f"{path}.namespace"
    if not namespace:
        remedy = "name the namespace; kubectl fills it in from -n or its context"
        problems.append(missing(where, remedy=remedy, source=source))
    for wrong in label(namespace) if namespace else ():
        remedy = "write lower case letters, digits and '-'"
        problems.append(invalid(where, namespace, wrong, remedy=remedy, source=source))
    return problems


def _too_long(text: str, longest: int, unit: str) -> list[str]:
    return (
        [f"must be no more than {longest} {unit}"]
        if len(text.encode("utf-8", "surrogatepass")) > longest
        else []
    )

"""What kube-apiserver makes of `--service-cluster-ip-range`, before it serves anything.

Sources: `cmd/kube-apiserver/app/options/completion.go` (getServiceIPAndRanges) and `validation.go`
(validateClusterIPFlags, validateMaxCIDRRange, validatePublicIPServiceClusterIPRangeIPFamilies),
`pkg/controlplane/apiserver/options` (ServiceIPRange). Texts are upstream's; several are put together
as `k8s.io/apimachinery/pkg/util/errors` does it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from dataplane.model.address import Address, Network
from dataplane.rules.clusterip import MAX_BITS
from dataplane.rules.sloppy import mask_length, parse_sloppy_cidr

FLAG = "--service-cluster-ip-range"
MOST_RANGES = 2
LEAST_ADDRESSES = 8
RECONCILES_NOTHING = "none"  # --endpoint-reconciler-type


@dataclass(frozen=True, slots=True, kw_only=True)
class Gates:
    """The feature gates that lift the limit of the size when both are on."""

    multi_cidr_service_allocator: bool = False
    disable_allocator_dual_write: bool = True

    @property
    def any_size(self) -> bool:
        """Tell whether a Service range may have any size."""
        return self.multi_cidr_service_allocator and self.disable_allocator_dual_write


def service_cluster_ip_range(text: str, gates: Gates | None = None) -> list[str]:
    """Return all errors about the value of the flag; none, and kube-apiserver starts with it.

    An empty value is what validateClusterIPFlags calls no valid CIDR; upstream's default for it,
    10.0.0.0/24, is deprecated, and no plan should rest on it.
    """
    errors = []
    written = text.split(",")
    parsed = [_parsed(part) for part in written[:MOST_RANGES]]
    if written[0] and parsed[0] is None:
        errors.append("service-cluster-ip-range[0] is not a valid cidr")
    elif len(parsed) > 1 and parsed[1] is None:
        errors.append("service-cluster-ip-range[1] is not an ip net")
    elif parsed[0] is not None and parsed[0].num_addresses < LEAST_ADDRESSES:
        errors.append(
            "error determining service IP ranges for primary service cidr: the service cluster IP "
            f"range must be at least {LEAST_ADDRESSES} IP addresses"
        )
    return errors or validate_cluster_ip_flags(text, gates or Gates())


def validate_cluster_ip_flags(text: str, gates: Gates) -> list[str]:
    """Return what validateClusterIPFlags says; a part that is no CIDR counts as not given."""
    errors = []
    written = text.split(",")
    primary = _parsed(written[0])
    secondary = _parsed(written[1]) if len(written) > 1 else None
    if primary is None:
        errors.append(f"{FLAG} must contain at least one valid cidr")
    if len(written) > MOST_RANGES:
        errors.append(f"{FLAG} must not contain more than two entries")
    if primary is not None and not gates.any_size:
        errors += validate_max_cidr_range(written[0], MAX_BITS, FLAG)
    if secondary is not None:
        if primary is None:
            cause = "invalid CIDR[0]: <nil>"
            errors.append(f"error attempting to validate dualstack for {FLAG} value error:{cause}")
        if primary is None or primary.version == secondary.version:
            errors.append(f"{FLAG}[0] and {FLAG}[1] must be of different IP family")
        if not gates.any_size:
            errors += validate_max_cidr_range(written[1], MAX_BITS, f"{FLAG}[1]")
    return errors


def validate_max_cidr_range(cidr: str, max_cidr_bits: int, cidr_flag: str) -> list[str]:
    """Return what validateMaxCIDRRange says of a range; ValueError when `cidr` is none."""
    bits = 128 if ":" in cidr else parse_sloppy_cidr(cidr).network.max_prefixlen
    if bits - mask_length(cidr) <= max_cidr_bits:
        return []
    least = bits - max_cidr_bits
    return [
        f"specified {cidr_flag} is too large; for {bits}-bit addresses, the mask must be >= {least}"
    ]


def validate_public_ip_families(
    primary: Network, advertised: Address, reconciler: str
) -> list[str]:
    """Return what is wrong with the family of the address that kube-apiserver advertises.

    validatePublicIPServiceClusterIPRangeIPFamilies: the Service `kubernetes` has the family of the
    primary range, and so must its endpoints, unless nobody reconciles them.
    """
    if reconciler == RECONCILES_NOTHING or primary.version == advertised.version:
        return []
    return [f'service IP family "{primary}" must match public address family "{advertised}"']


def aggregate(errors: Sequence[str]) -> str:
    """Return several errors as one text, as NewAggregate(errors).Error() does: none twice."""
    distinct = list(dict.fromkeys(errors))
    return distinct[0] if len(distinct) == 1 else f"[{', '.join(distinct)}]"


def _parsed(text: str) -> Network | None:
    try:
        return parse_sloppy_cidr(text).network
    except ValueError:
        return None

"""Sysctls of interfaces as rtnetlink gives them: all of one dump, where /proc has a file for each.

The arrays `IFLA_INET_CONF` and `IFLA_INET6_CONF` are laid out by the kernel's enums of
include/uapi/linux/ip.h and ipv6.h, to which the kernel only ever appends.
"""

import struct
from collections.abc import Iterator

from dataplane.kernel.rtnetlink import attributes

INET, INET6 = 2, 10
INET_CONF, INET6_CONF = 1, 2
# IPV4_DEVCONF_* from 1 on, as files below net/ipv4/conf are called
FOUR = (
    "forwarding mc_forwarding proxy_arp accept_redirects secure_redirects send_redirects shared_media "
    "rp_filter accept_source_route bootp_relay log_martians tag arp_filter medium_id disable_xfrm "
    "disable_policy force_igmp_version arp_announce arp_ignore promote_secondaries arp_accept arp_notify "
    "accept_local src_valid_mark proxy_arp_pvlan route_localnet igmpv2_unsolicited_report_interval "
    "igmpv3_unsolicited_report_interval ignore_routes_with_linkdown drop_unicast_in_l2_multicast "
    "drop_gratuitous_arp bc_forwarding arp_evict_nocarrier"
)
# DEVCONF_* from 0 on, as files below net/ipv6/conf are called
SIX = (
    "forwarding hop_limit mtu accept_ra accept_redirects autoconf dad_transmits router_solicitations "
    "router_solicitation_interval router_solicitation_delay use_tempaddr temp_valid_lft temp_prefered_lft "
    "regen_max_retry max_desync_factor max_addresses force_mld_version accept_ra_defrtr accept_ra_pinfo "
    "accept_ra_rtr_pref router_probe_interval accept_ra_rt_info_max_plen proxy_ndp optimistic_dad "
    "accept_source_route mc_forwarding disable_ipv6 accept_dad force_tllao ndisc_notify "
    "mldv1_unsolicited_report_interval mldv2_unsolicited_report_interval suppress_frag_ndisc "
    "accept_ra_from_local use_optimistic accept_ra_mtu stable_secret use_oif_addrs_only "
    "accept_ra_min_hop_limit ignore_routes_with_linkdown drop_unicast_in_l2_multicast "
    "drop_unsolicited_na keep_addr_on_down router_solicitation_max_interval seg6_enabled "
    "seg6_require_hmac enhanced_dad addr_gen_mode disable_policy accept_ra_rt_info_min_plen "
    "ndisc_tclass rpl_seg_enabled ra_defrtr_metric ioam6_enabled ioam6_id ioam6_id_wide "
    "ndisc_evict_nocarrier accept_untracked_na accept_ra_min_lft"
)


def settings(families: bytes) -> Iterator[tuple[str, int]]:
    """Yield (file below /proc/sys/net, number) of one interface; times are in ms there.

    `families` is the value of `IFLA_AF_SPEC` of its link message.
    """
    spec = attributes(families)
    four = attributes(spec.get(INET, b"")).get(INET_CONF, b"")
    six = attributes(spec.get(INET6, b"")).get(INET6_CONF, b"")
    for family, words, values in (("ipv4", FOUR, four), ("ipv6", SIX, six)):
        names = words.split()
        for place, (number,) in enumerate(struct.iter_unpack("=i", values)):
            name = names[place] if place < len(names) else f"no. {place}"
            yield f"{family}/conf/{name}", number

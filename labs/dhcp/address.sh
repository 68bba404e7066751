#!/bin/sh
# What dhclient calls for every event (dhclient-script(8)): addresses of a node, and nothing else.
# shellcheck disable=SC2154 # dhclient sets the variables
# A lease is a host address: DHCPv6 says nothing about what is on the link (RFC 8415 section 18.2.10.1).
case $reason in
BOUND6 | RENEW6 | REBIND6)
    ip -6 address replace "$new_ip6_address/128" dev "$interface" nodad \
        valid_lft "$new_max_life" preferred_lft "$new_preferred_life"
    ;;
EXPIRE6 | RELEASE6 | STOP6)
    ip -6 address delete "$old_ip6_address/128" dev "$interface"
    ;;
esac

"""DHCPv6 (RFC 8415) on the network of the nodes: its servers, and the clients on the nodes."""

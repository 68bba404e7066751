"""Programs of others: a balancer and a web server of an ingress, and an egress proxy.

All are started in the foreground, inside a member's namespace, with a configuration of their own in
the run's directory. They are ready when the kernel lists the sockets that they should listen on:
nobody has to connect, so that the first connection is a client's.
"""

"""Clients as pods run them, by what they are called: how each is told to fetch something by name."""

import shutil
import sys
from dataclasses import dataclass

PYTHON = """
import socket, sys
family = socket.AF_INET if sys.argv[2:] else socket.AF_UNSPEC
for *kind, _, place in socket.getaddrinfo(sys.argv[1], 80, family, socket.SOCK_STREAM):
    try:
        with socket.socket(*kind) as channel:
            channel.settimeout(5)
            channel.connect(place)
            channel.sendall(b"GET / HTTP/1.0\\r\\nX-Long: %s\\r\\n\\r\\n" % (b"x" * 4000))
            channel.recv(100)
        break
    except OSError:
        pass
"""
NODE = """
const [host, four] = process.argv.slice(1);
const options = {host, port: 80, agent: false, autoSelectFamily: true};
if (four) options.family = 4;
require("http").get(options, answer => answer.resume()).on("error", () => {});
"""
PERL = """
use IO::Socket::IP; use Socket;
my $s = IO::Socket::IP->new(PeerHost => $ARGV[0], PeerPort => 80, Timeout => 10,
    Type => SOCK_STREAM, $ARGV[1] ? (Family => AF_INET) : ()) or exit 1;
print $s "GET / HTTP/1.0\\r\\n\\r\\n"; $s->flush; my @all = <$s>;
"""
BASH = 'exec 3<>"/dev/tcp/$0/80" && printf "GET / HTTP/1.0\\r\\n\\r\\n" >&3 && cat <&3'
TCL = 'set s [socket {host} 80]; puts $s "GET / HTTP/1.0\\n"; flush $s; read $s'


@dataclass(frozen=True)
class Client:
    """A kind of client; `four` are the words that make it ask for IPv4 alone, None if there are none.

    `falls_back` is false where it tries one address only. `script` is what it reads. Who `races` tries IPv4 while IPv6 is on its way (RFC 8305); who `insists` sends a long
    request, and tries the next address where no answer comes.
    """

    name: str
    program: str
    words: tuple[str, ...]
    four: tuple[str, ...] | None = None
    falls_back: bool = True
    script: str = ""
    races: bool = False
    insists: bool = False

    def command(self, host: str, *, only_four: bool = False) -> list[str]:
        words = [word.replace("{host}", host) for word in self.words]
        return [self.program, *words, *((self.four or ()) if only_four else ())]

    def stdin(self, host: str) -> str:
        return self.script.replace("{host}", host)


SSH = (
    "-o",
    "BatchMode=yes",
    "-o",
    "StrictHostKeyChecking=no",
    "-o",
    "UserKnownHostsFile=/dev/null",
)
CLIENTS = (
    Client(
        "curl", "curl", ("-s", "-m", "20", "-o", "/dev/null", "http://{host}/"), ("-4",), races=True
    ),
    Client(
        "wget",
        "wget",
        ("-q", "-O", "/dev/null", "--tries=1", "-T", "10", "http://{host}/"),
        ("-4",),
    ),
    Client("python", sys.executable, ("-c", PYTHON, "{host}"), ("4",), insists=True),
    Client("node", "node", ("-e", NODE, "{host}"), ("4",), races=True),
    Client("perl", "perl", ("-e", PERL, "{host}"), ("4",)),
    Client("bash", "bash", ("-c", BASH, "{host}")),
    Client("openssl", "openssl", ("s_client", "-connect", "{host}:80"), ("-4",)),
    Client("tcl", "tclsh", (), script=TCL),
    Client("psql", "psql", ("host={host} port=80 user=x dbname=x connect_timeout=10",)),
    Client("git", "git", ("ls-remote", "git://{host}:80/x")),
    Client("ssh", "ssh", (*SSH, "-p", "80", "{host}"), ("-4",)),
    Client(
        "busybox", "busybox", ("wget", "-q", "-O", "/dev/null", "http://{host}/"), falls_back=False
    ),
)
HERE = tuple(client for client in CLIENTS if shutil.which(client.program))

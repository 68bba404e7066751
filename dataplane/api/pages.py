"""The page for people: three files of our own, read once; a request can name nothing else."""

from dataclasses import dataclass
from importlib.resources import files

from aiohttp import web

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
PAGES = {
    "/": ("index.html", "text/html"),
    "/page.css": ("page.css", "text/css"),
    "/page.js": ("page.js", "text/javascript"),
}


@dataclass(frozen=True, slots=True)
class StaticPage:
    """A file of the package, in memory."""

    body: bytes
    content_type: str

    @classmethod
    def load(cls, name: str, content_type: str) -> "StaticPage":
        """Read a file that the package brings along."""
        return cls((files("dataplane.api") / "page" / name).read_bytes(), content_type)

    async def answer(self, _request: web.Request) -> web.Response:
        """Return the file as it is."""
        return web.Response(
            body=self.body,
            headers={
                "Content-Type": f"{self.content_type}; charset=utf-8",
                "Content-Security-Policy": POLICY,
            },
        )

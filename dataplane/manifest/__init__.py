"""Manifest text to Cluster, with all its problems."""

from dataplane.manifest.documents import Document, read_documents
from dataplane.manifest.fields import Section, root
from dataplane.manifest.shoot import Parsed, parse

__all__ = ["Document", "Parsed", "Section", "parse", "read_documents", "root"]

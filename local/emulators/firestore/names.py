"""Resource names: which databases, parents and documents a request may name."""

import re

import grpc

from local.emulators.rpc import RpcFailure

MAX_SEGMENT_BYTES = 1500
_RESERVED = re.compile(r"__.*__", re.DOTALL)
_NUMERIC_ID = re.compile(r"__id-?\d+__")


class Names:
    """Checks names against the one project and its default database."""

    def __init__(self, project: str) -> None:
        self._project = f"projects/{project}/"
        self._database = f"projects/{project}/databases/(default)"
        self._root = f"{self._database}/documents"

    def check_database(self, database: str) -> None:
        """Refuse every database but the project's default one."""
        if not database.startswith(self._project):
            raise RpcFailure(grpc.StatusCode.PERMISSION_DENIED, f"Missing or insufficient permissions for {database}.")
        if database != self._database:
            raise RpcFailure(grpc.StatusCode.NOT_FOUND, f"The database {database} does not exist.")

    def check_parent(self, parent: str) -> None:
        """Refuse what is neither the root of the documents nor a document."""
        if parent != self._root:
            self._check(parent)

    def check_document(self, name: str) -> None:
        """Refuse what is not the name of a document."""
        self._check(name)

    def _check(self, name: str) -> None:
        parts = name.split("/")
        self.check_database("/".join(parts[:4]))
        segments = parts[5:]
        if parts[4:5] != ["documents"] or not segments or len(segments) % 2:
            raise _invalid(f'Document name "{name}" lacks "/" at index {len(name)}.')
        for segment in segments:
            if not segment or segment in (".", ".."):
                raise _invalid(f'Document name "{name}" has invalid trailing "/", or an empty or dotted segment.')
            if len(segment.encode()) > MAX_SEGMENT_BYTES:
                raise _invalid(f"The key path element name is longer than {MAX_SEGMENT_BYTES} bytes.")
            if _RESERVED.fullmatch(segment) and not _NUMERIC_ID.fullmatch(segment):
                raise _invalid(f'Resource id "{segment}" is invalid because it is reserved.')


def _invalid(message: str) -> RpcFailure:
    return RpcFailure(grpc.StatusCode.INVALID_ARGUMENT, message)

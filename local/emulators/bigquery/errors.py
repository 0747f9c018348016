"""The errors BigQuery answers with: an HTTP status, a reason and a message, in BigQuery's own words."""

from typing import Any

_STATUS = {
    400: "INVALID_ARGUMENT",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ALREADY_EXISTS",
    501: "UNIMPLEMENTED",
}


class BigQueryError(Exception):
    """A refusal that reaches the client as BigQuery's error JSON."""

    def __init__(self, code: int, reason: str, message: str, location: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.location = location

    def proto(self) -> dict[str, Any]:
        """The ErrorProto that a job's status and an insertAll row carry."""
        return {"reason": self.reason, "message": self.message, "location": self.location}

    def body(self) -> dict[str, Any]:
        """The JSON body of the HTTP answer."""
        entry = {"message": self.message, "domain": "global", "reason": self.reason}
        if self.location:
            entry |= {"location": self.location, "locationType": "parameter"}
        status = _STATUS.get(self.code, "INTERNAL")
        return {"error": {"code": self.code, "message": self.message, "errors": [entry], "status": status}}


def invalid_query(message: str) -> BigQueryError:
    """SQL that BigQuery would refuse."""
    return BigQueryError(400, "invalidQuery", message, "query")


def resources_exceeded(message: str) -> BigQueryError:
    """A query that needs more memory than there is."""
    return BigQueryError(400, "resourcesExceeded", f"Resources exceeded during query execution: {message}", "query")


def invalid(message: str) -> BigQueryError:
    """A request whose values make no sense."""
    return BigQueryError(400, "invalid", message)


def not_found(what: str) -> BigQueryError:
    """A dataset, table or job that does not exist."""
    return BigQueryError(404, "notFound", f"Not found: {what}")


def duplicate(what: str) -> BigQueryError:
    """A dataset, table or job that exists already."""
    return BigQueryError(409, "duplicate", f"Already Exists: {what}")


def access_denied(message: str) -> BigQueryError:
    """Anything of a project that is not the emulator's."""
    return BigQueryError(403, "accessDenied", f"Access Denied: {message}")


def unsupported(what: str) -> BigQueryError:
    """Something BigQuery can do and this emulator cannot: said, never approximated."""
    return BigQueryError(501, "notImplemented", f"Not supported by the local emulator: {what}")

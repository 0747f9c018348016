"""What a resource will be once it exists: what Google fills in gets a value that says where it is from."""

from collections.abc import Mapping
from typing import Any

from tests.infra.provider import protocol
from tests.infra.provider.schema import Block, Type

PROJECT = "a-project"
PROJECT_NUMBER = "123456789012"
_ACCOUNT = "projects/{project}/serviceAccounts/{account_id}@{project}.iam.gserviceaccount.com"
# The attributes by which resources refer to each other, as Google composes them.
_KNOWN = {
    ("google_service_account", "email"): "{account_id}@{project}.iam.gserviceaccount.com",
    ("google_service_account", "member"): "serviceAccount:{account_id}@{project}.iam.gserviceaccount.com",
    ("google_service_account", "name"): _ACCOUNT,
    ("google_service_account", "id"): _ACCOUNT,
    ("google_cloudfunctions2_function", "service_config.uri"): "https://{name}-uri.a.run.app",
    ("google_cloudfunctions2_function", "service_config.service"): "projects/{project}/locations/{location}"
    "/services/{name}",
    ("google_cloudfunctions2_function", "url"): "https://{location}-{project}.cloudfunctions.net/{name}",
    ("google_kms_key_ring", "id"): "projects/{project}/locations/{location}/keyRings/{name}",
    ("google_kms_crypto_key", "id"): "{key_ring}/cryptoKeys/{name}",
    ("google_project", "number"): PROJECT_NUMBER,
}
# What names a resource among its kind, the first that it has.
_NAMES = ("name", "account_id", "dataset_id", "display_name", "service", "field", "role", "database")


def problems(block: Block, value: Mapping[str, Any]) -> list[str]:
    """A sentence per attribute with a value that its documentation does not allow."""
    found = []
    for name, attribute in block.attributes.items():
        given = value.get(name)
        if attribute.allowed and isinstance(given, str) and given and given not in attribute.allowed:
            found.append(f"{name} is {given!r}, and must be one of {', '.join(attribute.allowed)}")
    for inner, held in block.inner(value):
        found += problems(inner, held)
    return found


def filled(kind: str, block: Block, value: dict[str, Any]) -> dict[str, Any]:
    """The value with everything that Google computes."""
    whole = {"project": PROJECT, **{name: each for name, each in value.items() if isinstance(each, str)}}
    named = next((whole[name] for name in _NAMES if name in whole), kind)
    return _filled(block, value, _Origin(kind, "", {**whole, "_named": named}))


def whole(block: Block, value: Mapping[str, Any]) -> dict[str, Any]:
    """The value with null for each attribute that it leaves out."""
    made = {name: _whole_value(attribute.type, value.get(name)) for name, attribute in block.attributes.items()}
    for name, nested in block.blocks.items():
        held = value.get(name)
        made[name] = [whole(nested.block, each) for each in held] if isinstance(held, list) else held
    return made


def _whole_value(kind: Type, value: Any) -> Any:
    match kind:
        case ["list", ["object", fields]] if value:
            return [{name: each.get(name) for name in fields} for each in value]
    return value


class _Origin:
    """Where in which resource a computed value is."""

    def __init__(self, kind: str, path: str, whole: Mapping[str, str]) -> None:
        self._kind, self._path, self._whole = kind, path, whole

    def below(self, name: str) -> "_Origin":
        return _Origin(self._kind, f"{self._path}{name}.", self._whole)

    def text(self, name: str) -> str:
        known = _KNOWN.get((self._kind, f"{self._path}{name}"))
        if name in ("project", "project_id"):
            return PROJECT
        return known.format_map(self._whole) if known else f"{self._kind}/{self._whole['_named']}/{self._path}{name}"


def _filled(block: Block, value: dict[str, Any], origin: _Origin) -> dict[str, Any]:
    made = dict(value)
    for name, attribute in block.attributes.items():
        if attribute.computed and (made.get(name) is None or protocol.is_unknown(made[name])):
            made[name] = _computed(attribute.type, origin, name)
    for name, nested in block.blocks.items():
        held = made.get(name)
        if isinstance(held, list):
            made[name] = [_filled(nested.block, each, origin.below(name)) for each in held]
    return made


def _computed(kind: Type, origin: _Origin, name: str) -> Any:
    match kind:
        case "string":
            return origin.text(name)
        case "number":
            return 0
        case "bool":
            return False
        case ["list", ["object", fields]]:
            below = origin.below(name)
            return [{each: _computed(inner, below, each) for each, inner in fields.items()}]
        case ["list", _]:
            return []
        case ["map", _]:
            return {}
    return None

"""Symmetric keys and their versions, kept in one private JSON file."""

import base64
import json
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

RING_NAME = re.compile(r"projects/[^/]+/locations/[^/]+/keyRings/[a-zA-Z0-9_-]{1,63}")
KEY_NAME = re.compile(rf"{RING_NAME.pattern}/cryptoKeys/[a-zA-Z0-9_-]{{1,63}}")
_KEY_BITS = 256


@dataclass(slots=True)
class Version:
    """One version's key material; what was sealed with it opens only while it is enabled."""

    material: bytes
    enabled: bool = True


@dataclass(slots=True)
class Key:
    """A key: its versions, numbered from 1, and the one that seals."""

    versions: list[Version] = field(default_factory=list)
    primary: int = 1


class Keys:
    """All keys by name; a change is on disk before it is acknowledged."""

    def __init__(self, directory: Path | None) -> None:
        self._path = directory / "kms.json" if directory else None
        self.rings: set[str] = set()
        self.keys: dict[str, Key] = {}
        if self._path and self._path.exists():
            self._load(json.loads(self._path.read_text()))

    def ensure(self, name: str) -> None:
        """Create the key, its ring and a first version unless they exist."""
        if not KEY_NAME.fullmatch(name):
            raise ValueError(f"{name!r} is not the name of a KMS key")
        self.rings.add(name.rpartition("/cryptoKeys/")[0])
        if name not in self.keys:
            self.keys[name] = Key()
            self.add_version(name)

    def add_version(self, name: str, enabled: bool = True) -> int:
        """Add a version with new key material and return its number; the primary stays as it is."""
        key = self.keys[name]
        key.versions.append(Version(AESGCM.generate_key(_KEY_BITS), enabled))
        self.save()
        return len(key.versions)

    def save(self) -> None:
        """Write the file whole or not at all, readable by its owner alone."""
        if self._path is None:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        draft = self._path.with_suffix(".tmp")
        draft.unlink(missing_ok=True)  # an old draft would keep its own mode
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump({"rings": sorted(self.rings), "keys": self._stored()}, file)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self._path)

    def _stored(self) -> dict[str, Any]:
        return {
            name: {
                "primary": key.primary,
                "versions": [
                    {"material": base64.b64encode(version.material).decode(), "enabled": version.enabled}
                    for version in key.versions
                ],
            }
            for name, key in self.keys.items()
        }

    def _load(self, stored: dict[str, Any]) -> None:
        self.rings = set(stored["rings"])
        for name, key in stored["keys"].items():
            versions = [Version(base64.b64decode(entry["material"]), entry["enabled"]) for entry in key["versions"]]
            self.keys[name] = Key(versions, key["primary"])

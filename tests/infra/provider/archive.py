"""The archive provider's one data source: it writes the zip that Terraform describes, and says what its digests are."""

import base64
import hashlib
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.infra.provider.schema import Attribute, Block, Nested, Schemas

TYPE = "archive_file"
_DIGESTS = ("output_sha256", "output_sha512", "output_md5", "output_sha", "output_base64sha256", "output_base64sha512")
# What the provider gives every member, so that the time of a checkout changes nothing.
_TIME = (2049, 1, 1, 0, 0, 0)
_MODE = 0o644
_TEXT = {"content": Attribute("string", required=True), "filename": Attribute("string", required=True)}

# Only an archive of named contents: one of a folder would hold whatever lies in it, with the permissions of a checkout.
SCHEMAS = Schemas(
    provider=Block({}, {}),
    resources={},
    data={
        TYPE: Block(
            {
                "type": Attribute("string", required=True, allowed=("zip", "tar.gz")),
                "output_path": Attribute("string", required=True),
                "output_file_mode": Attribute("string", optional=True),
                "id": Attribute("string", computed=True),
                "output_size": Attribute("number", computed=True),
                **{name: Attribute("string", computed=True) for name in _DIGESTS},
            },
            {"source": Nested(Block(_TEXT, {}), required=True)},
        )
    },
)


def write(config: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Write the archive, at a path relative to ``folder``; return the data source's whole state."""
    path = folder / config["output_path"]
    path.parent.mkdir(parents=True, exist_ok=True)
    mode = int(config["output_file_mode"], 8) if config["output_file_mode"] else _MODE
    with zipfile.ZipFile(path, "w") as archive:
        for source in sorted(config["source"], key=lambda each: str(each["filename"])):
            member = zipfile.ZipInfo(source["filename"], _TIME)
            member.external_attr, member.compress_type = mode << 16, zipfile.ZIP_DEFLATED
            archive.writestr(member, source["content"].encode())
    whole = path.read_bytes()
    return {
        **config,
        "id": hashlib.sha1(whole).hexdigest(),
        "output_size": len(whole),
        "output_md5": hashlib.md5(whole).hexdigest(),
        "output_sha": hashlib.sha1(whole).hexdigest(),
        "output_sha256": hashlib.sha256(whole).hexdigest(),
        "output_sha512": hashlib.sha512(whole).hexdigest(),
        "output_base64sha256": base64.b64encode(hashlib.sha256(whole).digest()).decode(),
        "output_base64sha512": base64.b64encode(hashlib.sha512(whole).digest()).decode(),
    }

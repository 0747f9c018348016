"""Firestore and Cloud KMS: reached, used as the functions use them, and put back as they were."""

import asyncio
import uuid
from dataclasses import dataclass

from google.api_core import exceptions as google
from google.auth.exceptions import GoogleAuthError
from google.cloud import firestore_admin_v1
from google.cloud.firestore_admin_v1.services.firestore_admin import FirestoreAdminAsyncClient

from common.app import Services
from common.documents import Delete, DocumentConflict, Put, Sort, Where
from common.errors import KeyInvalid, ServiceError
from common.organizations.provider_key import ProviderKeys
from common.secret import Secret
from common.settings import Settings
from common.tenant import OrgSlug, Tenant
from common.transcript.paths import OUTBOX
from local.diagnosis.finding import Finding, fault_of
from local.diagnosis.rights import Rights

# Collections whose documents expire by themselves.
EXPIRING = (
    "answers", "api_keys", "conversations", "counters", "deliveries", "deliveries_dead", "listed", "messages", "orgs",
    "pending",
)  # fmt: skip
_INDEXES = "terraform apply makes the index; building it takes minutes"


@dataclass(frozen=True, slots=True)
class StoresCheck:
    """Looks at Firestore and at the key."""

    services: Services
    rights: Rights

    async def firestore(self) -> list[Finding]:
        """Write, read and delete a document; an account that only reads, reads."""
        path = f"health/doctor-{uuid.uuid4().hex}"
        documents = self.services.documents
        if not self.rights.writes_documents:
            await documents.ping()
            return [Finding("Firestore", "ok", "read")]
        await documents.commit([Put(path, {"written": True})])
        found = (await documents.get_all([path]))[path]
        await documents.commit([Delete(path)])
        if found is None or found.data != {"written": True}:
            return [Finding("Firestore", "fault", "what was written was not read", "see whether the database is up")]
        return [Finding("Firestore", "ok", "written, read and deleted")]

    async def indexes(self) -> list[Finding]:
        """Ask the queries that need an index of more than one field."""
        documents, found = self.services.documents, list[Finding]()
        nobody = "orgs/doctor/conversations"
        active = (Where("user_id", "==", "doctor"), Where("status", "==", "active"))
        newest = (Sort("last_message_at", descending=True), Sort("__name__", descending=True))
        purged = (Where("org_slug", "==", "doctor"), Where("conversation_id", "==", "doctor"))
        shard = (Where("shard", "==", 0),)
        for subject, ask in (
            ("index of conversations", documents.query(nobody, where=active, order=newest, limit=1)),
            ("index of outbox by conversation", documents.query(OUTBOX, where=purged, limit=1)),
            ("index of outbox by time", documents.query(OUTBOX, where=shard, order=(Sort("next_try_at"),), limit=1)),
        ):
            try:
                await ask
            except DocumentConflict:
                found.append(Finding(f"Firestore {subject}", "fault", "it is missing or being built", _INDEXES))
        return found or [Finding("Firestore indexes", "ok", "every query has its index")]

    async def key(self) -> list[Finding]:
        """Use the key as the account does, on a text that is nobody's key."""
        keys = self.services.provider_keys
        if self.rights.key == "view":
            await keys.ping()
            return [Finding("KMS", "ok", "the key is there")]
        tenant = Tenant(OrgSlug("doctor"), self.services.settings.gcp_project_id, "doctor")
        try:
            sealed = await keys.encrypt(tenant, "doctor", Secret("probe"))
        except ServiceError as error:
            finding = fault_of("KMS", error)
            if self.rights.key == "decrypt" and finding.said == "access is denied":
                return [Finding("KMS", "unknown", "this account may not encrypt, so there is nothing to decrypt")]
            return [finding]
        return [await self._opened(keys, tenant, sealed)]

    async def _opened(self, keys: ProviderKeys, tenant: Tenant, sealed: bytes) -> Finding:
        try:
            async with keys.opened(tenant, "doctor", sealed) as opened:
                same = opened.reveal() == "probe"
        except KeyInvalid:
            same = False
        except ServiceError as error:
            finding = fault_of("KMS", error)
            if self.rights.key == "encrypt" and finding.said == "access is denied":
                return Finding("KMS", "ok", "encrypted; this account may not decrypt, and need not")
            return finding
        if not same:
            return Finding(
                "KMS", "fault", "what it encrypted does not open", "see the key's versions: none is disabled"
            )
        return Finding("KMS", "ok", "encrypted and decrypted")


async def expiry(settings: Settings, client: FirestoreAdminAsyncClient | None = None) -> list[Finding]:
    """Look whether documents expire, where this account may see that."""
    if settings.firestore_emulator_host and client is None:
        return [Finding("Firestore expiry", "unknown", "an emulator has none")]
    admin = client or FirestoreAdminAsyncClient()
    database = f"projects/{settings.gcp_project_id}/databases/{settings.firestore_database}"
    names = [f"{database}/collectionGroups/{collection}/fields/expire_at" for collection in EXPIRING]
    try:
        fields = await asyncio.gather(*(admin.get_field(name=name) for name in names))
    except (google.Forbidden, google.Unauthenticated, GoogleAuthError):
        return [Finding("Firestore expiry", "unknown", "this account may not see it", "roles/datastore.indexAdmin")]
    active = firestore_admin_v1.Field.TtlConfig.State.ACTIVE
    lacking = [name for name, field in zip(EXPIRING, fields, strict=True) if field.ttl_config.state != active]
    if lacking:
        said = f"documents of {', '.join(lacking)} do not expire"
        return [Finding("Firestore expiry", "fault", said, "terraform apply sets it; it takes some minutes")]
    return [Finding("Firestore expiry", "ok", "documents expire")]

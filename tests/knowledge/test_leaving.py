"""An organisation that leaves takes its documents with it: records, passages and files."""

from common.tenant import OrgSlug, Principal, UserId
from tests.knowledge.conftest import Knowing
from tests.organizations.organizations import Made


async def test_nothing_of_its_documents_stays(knowing: Knowing, made: Made) -> None:
    services = knowing.services
    tenant = services.directory.tenant(OrgSlug(made.slug))
    entry = await knowing.upload(made, "policy.md", b"# Policy\n\nThe CFO signs.\n")
    assert entry["state"] == "ready"
    waiting = await knowing.announce(made, "later.md", b"later")
    assert waiting.status_code == 201

    done = await services.offboarding.run(Principal(tenant, UserId("operator"), "operator"), lambda _: None)
    assert done.files == 1
    assert await services.documents.below(f"orgs/{made.slug}", 10) == []
    assert await services.knowledge.files.delete_below(f"orgs/{made.slug}/") == 0
    due = await services.knowledge.store.due(services.clock().replace(year=2100), 1000)
    assert made.slug not in {org for org, _ in due}

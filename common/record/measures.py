"""The measures of readiness beside its probes: neither keeps a question from being asked."""

from collections.abc import Callable, Mapping
from datetime import datetime

from common.documents import Documents
from common.knowledge.overdue import OverdueDocuments
from common.record.backlog import Backlog
from common.settings import Settings
from common.telemetry.readiness import Measure
from common.warehouse.catalog import CatalogAge
from common.warehouse.client import Warehouse


def measures_of(
    settings: Settings, documents: Documents, warehouse: Warehouse, clock: Callable[[], datetime]
) -> Mapping[str, Measure]:
    """The measures: how far the record and the reading of documents are behind, and how old the catalogue is."""
    return {
        "outbox": Backlog(documents, clock).measure,
        "knowledge": OverdueDocuments(documents, clock).measure,
        "catalog": CatalogAge(settings, warehouse, clock).measure,
    }

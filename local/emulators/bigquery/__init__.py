"""BigQuery on a laptop: the REST API v2 that google-cloud-bigquery speaks, over DuckDB."""

from local.emulators.bigquery.emulator import BigQueryEmulator

__all__ = ["BigQueryEmulator"]

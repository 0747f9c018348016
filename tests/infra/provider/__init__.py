"""Terraform's providers on one machine: the google provider's own schema, served over Terraform's plugin protocol."""

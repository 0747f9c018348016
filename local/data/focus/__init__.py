"""FOCUS bills of any provider, in any form they are exported in, into the costs of an organisation."""

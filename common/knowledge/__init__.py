"""An organisation's own documents: parsed, cut into passages, embedded, and searched by meaning."""

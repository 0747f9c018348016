"""GenAI among FOCUS costs: from its own vendors, and bought through a cloud, where only the service's name tells."""

# Vendors of models that sell nothing else.
VENDORS = (
    "openai",
    "anthropic",
    "google gemini",
    "gemini",
    "google ai",
    "deepseek",
    "mistral",
    "mistral ai",
    "cohere",
    "xai",
    "perplexity",
)
# Words in a service's name or its SKU meter that only GenAI has: Bedrock, Azure OpenAI, Vertex AI and their models.
_SERVICES = (
    r"bedrock|openai|vertex ai|vertexai|generative ai|generative language|gemini|foundry models|azure ai foundry"
    r"|\bclaude\b|\bgpt-\d|\bllama|mistral|watsonx"
)

_VENDORS_SQL = ", ".join(f"'{name}'" for name in VENDORS)
IS_GENAI = f"""(
        x_genai_provider IS NOT NULL
        OR x_genai_cost_type IS NOT NULL
        OR COALESCE(ServiceSubcategory = 'Generative AI', FALSE)
        OR LOWER(ServiceProviderName) IN ({_VENDORS_SQL})
        OR REGEXP_CONTAINS(LOWER(CONCAT(ServiceName, ' ', COALESCE(SkuMeter, ''))), r'{_SERVICES}')
      )"""
SERVICE_PATTERN = _SERVICES
# A cost row's GenAI provider under the name that usage rows give it.
PROVIDER = """LOWER(COALESCE(
      x_genai_provider,
      IF(LOWER(ServiceProviderName) IN ('google gemini', 'google ai'), 'gemini', ServiceProviderName)
    ))"""

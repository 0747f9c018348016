"""The statements that change an organisation's settings and credentials: each alone leaves what can be served."""

from common.warehouse.query import ParameterType

# The keys that could serve, the newest first.
KEYS_SQL = """
SELECT credential_id, provider, encrypted_credential
FROM {shared.org_integration_credentials}
WHERE org_slug = @org_slug
  AND credential_type = 'API_KEY'
  AND is_active
  AND UPPER(validation_status) = 'VALID'
  AND (expires_at IS NULL OR expires_at > @now)
ORDER BY COALESCE(updated_at, created_at) DESC
LIMIT 50
"""

# Until settings name it, a credential serves nobody.
ADD_CREDENTIAL_SQL = """
INSERT INTO {shared.org_integration_credentials} (
  credential_id, org_slug, provider, credential_name, encrypted_credential, credential_type, validation_status,
  last_validated_at, metadata, is_active, created_by_user_id, created_at
)
VALUES (
  @credential_id, @org_slug, @provider, @credential_name, @ciphertext, 'API_KEY', 'VALID',
  @now, PARSE_JSON('{"purpose":"chat"}'), TRUE, @user_id, @now
)
"""

# One statement, so that at every moment one row is active: the old one or the new one.
REPLACE_SETTINGS_SQL = """
MERGE INTO {shared.org_chat_settings} AS stored
USING (SELECT @setting_id AS setting_id) AS given
ON stored.org_slug = @org_slug AND stored.setting_id = given.setting_id
WHEN NOT MATCHED BY TARGET THEN
  INSERT (
    setting_id, org_slug, provider, credential_id, model_id, temperature, max_tokens, include_org_context,
    enable_memory, max_history_messages, system_prompt_extra, calls_tools, fallback, allow_external_fallback,
    daily_token_limit, monthly_cost_limit_usd, user_daily_token_limit, user_monthly_cost_limit_usd,
    fast_model_id, answer_cache_seconds, is_active, configured_by, created_at
  )
  VALUES (
    given.setting_id, @org_slug, @provider, @credential_id, @model_id, @temperature, @max_tokens,
    @include_org_context, @enable_memory, @max_history_messages, @system_prompt_extra, @calls_tools,
    PARSE_JSON(@fallback), @allow_external_fallback, @daily_token_limit, @monthly_cost_limit_usd,
    @user_daily_token_limit, @user_monthly_cost_limit_usd, @fast_model_id, @answer_cache_seconds, TRUE,
    @user_id, @now
  )
WHEN NOT MATCHED BY SOURCE AND stored.org_slug = @org_slug AND stored.is_active THEN
  UPDATE SET is_active = FALSE, updated_at = @now
"""

END_SETTINGS_SQL = """
UPDATE {shared.org_chat_settings}
SET is_active = FALSE, updated_at = @now
WHERE org_slug = @org_slug AND is_active
"""

# What a change retires: the keys that settings named once and name no longer, and those that a change which was cut
# short has left behind. A key that was just stored may be about to be named; those of other parts of the platform,
# which no settings ever named, are not the chat's.
_RETIRE = """
UPDATE {shared.org_integration_credentials}
SET is_active = FALSE, updated_at = @now, updated_by_user_id = @user_id
WHERE org_slug = @org_slug
"""
_NO_LONGER_NAMED = """
  AND credential_type = 'API_KEY'
  AND is_active
  AND credential_id NOT IN (
    SELECT named.credential_id
    FROM {shared.org_chat_settings} AS named
    WHERE named.org_slug = @org_slug AND named.is_active
  )
  AND credential_id NOT IN (
    SELECT COALESCE(JSON_VALUE(named.fallback, '$[0].credential_id'), '')
    FROM {shared.org_chat_settings} AS named
    WHERE named.org_slug = @org_slug AND named.is_active
  )
  AND credential_id NOT IN (
    SELECT COALESCE(JSON_VALUE(named.fallback, '$[1].credential_id'), '')
    FROM {shared.org_chat_settings} AS named
    WHERE named.org_slug = @org_slug AND named.is_active
  )
  AND (
    credential_id IN (
      SELECT used.credential_id FROM {shared.org_chat_settings} AS used WHERE used.org_slug = @org_slug
    )
    OR credential_id IN (
      SELECT JSON_VALUE(used.fallback, '$[0].credential_id')
      FROM {shared.org_chat_settings} AS used
      WHERE used.org_slug = @org_slug
    )
    OR credential_id IN (
      SELECT JSON_VALUE(used.fallback, '$[1].credential_id')
      FROM {shared.org_chat_settings} AS used
      WHERE used.org_slug = @org_slug
    )
    OR (JSON_VALUE(metadata, '$.purpose') = 'chat' AND created_at < TIMESTAMP_SUB(@now, INTERVAL 1 HOUR))
  )
"""

RETIRE_ALL_SQL = _RETIRE + _NO_LONGER_NAMED
RETIRE_OF_PROVIDER_SQL = _RETIRE + "  AND LOWER(provider) IN UNNEST(@providers)" + _NO_LONGER_NAMED

TYPES: dict[str, ParameterType] = {
    "setting_id": "STRING",
    "credential_id": "STRING",
    "provider": "STRING",
    "providers": "STRING",
    "model_id": "STRING",
    "credential_name": "STRING",
    "ciphertext": "BYTES",
    "temperature": "FLOAT64",
    "max_tokens": "INT64",
    "include_org_context": "BOOL",
    "enable_memory": "BOOL",
    "max_history_messages": "INT64",
    "system_prompt_extra": "STRING",
    "calls_tools": "BOOL",
    "fallback": "STRING",
    "allow_external_fallback": "BOOL",
    "daily_token_limit": "INT64",
    "monthly_cost_limit_usd": "NUMERIC",
    "user_daily_token_limit": "INT64",
    "fast_model_id": "STRING",
    "user_monthly_cost_limit_usd": "NUMERIC",
    "answer_cache_seconds": "INT64",
    "user_id": "STRING",
    "now": "TIMESTAMP",
}

"""The one error tree: what a caller may be told, and nothing else.

ServiceError
├── BadRequest 400 invalid_request
│   └── BadSlug 400 bad_org_slug
├── Unauthenticated 401 invalid_api_key
│   └── TokenRefused 401 invalid_token
├── Forbidden 403 org_forbidden
│   ├── ScopeMissing 403 scope_missing
│   ├── OrganizationInactive 403 org_inactive
│   ├── FeatureOff 403 feature_off
│   ├── PersonMismatch 403 person_mismatch
│   ├── PersonBlocked 403 person_blocked
│   └── OriginRefused 403 origin_refused
├── NotFound 404 not_found
│   ├── ConversationNotFound 404 conversation_not_found
│   ├── DestinationNotFound 404 destination_not_found
│   └── DocumentNotFound 404 document_not_found
├── MethodNotAllowed 405 method_not_allowed
├── BodyTimeout 408 body_timeout
├── ConversationBusy 409 conversation_busy
├── NothingToCancel 409 nothing_to_cancel
├── AccessChanged 409 access_changed
├── ApprovalGone 409 approval_gone
│   ├── ApprovalAnswered 409 approval_answered
│   ├── ApprovalExpired 409 approval_expired
│   └── ApprovalChanged 409 approval_changed
├── QuestionGone 409 question_gone
│   ├── QuestionAnswered 409 question_answered
│   └── QuestionExpired 409 question_expired
├── DocumentBusy 409 document_busy
├── KnowledgeFull 409 knowledge_full
├── DestinationsFull 409 destinations_full
├── TooLarge 413 payload_too_large
├── EncodingNotSupported 415 encoding_not_supported
├── Unprocessable 422 invalid_body
│   ├── PriceUnknown 422 price_unknown
│   ├── SetupRequired 422 setup_required
│   └── KeyInvalid 422 key_invalid
│       └── KeyExpired 422 key_expired
├── RateLimited 429 rate_limited
│   ├── TooManyTurns 429 too_many_turns
│   └── CostCeiling 429 cost_ceiling
├── Unavailable 503 unavailable
│   ├── Restarting 503 restarting
│   ├── DocumentsUnavailable 503 session_store_unavailable
│   ├── WarehouseUnavailable 503 warehouse_unavailable
│   │   └── WarehouseBusy 503 warehouse_busy
│   ├── KeyServiceUnavailable 503 key_service_unavailable
│   ├── FilesUnavailable 503 file_store_unavailable
│   ├── EmbeddingUnavailable 503 embedding_unavailable
│   └── IssuerUnavailable 503 issuer_unavailable
└── ModelError 502 model_error (the organisation's model provider)
    ├── ModelNotFound 422 model_not_found
    ├── ContextTooLong 422 context_too_long
    ├── ContentRefused 422 content_refused
    ├── ModelCannotUseTools 422 model_cannot_use_tools
    ├── ProviderRateLimited 429 rate_limited_by_provider
    ├── ProviderUnavailable 503 provider_unavailable
    └── ProviderTimeout 504 provider_timeout

A cause is chained with ``raise … from``, and never rendered outward.
"""


class ServiceError(Exception):
    """A failure with a status, a stable code and a sentence that is safe to show."""

    status = 500
    code = "internal"
    detail = "Something failed on our side. Try again; if it persists, report the request id."

    def __init__(self, detail: str | None = None, *, retry_after: int | None = None) -> None:
        self.detail = detail or type(self).detail
        self.retry_after = retry_after
        super().__init__(self.detail)


class BadRequest(ServiceError):
    status = 400
    code = "invalid_request"
    detail = "The request is not valid."


class BadSlug(BadRequest):
    code = "bad_org_slug"
    detail = "Name the organisation in the path or in X-Org-Slug: a slug that matches ^[a-z0-9_]{3,50}$."


class Unauthenticated(ServiceError):
    status = 401
    code = "invalid_api_key"
    detail = "Send a valid, active API key in the X-API-Key header."


class TokenRefused(Unauthenticated):
    code = "invalid_token"
    detail = "The bearer token is not valid here. Sign in again, and send a token of an issuer of this organisation."


class Forbidden(ServiceError):
    status = 403
    code = "org_forbidden"
    detail = "This API key does not belong to the organisation in the request."


class ScopeMissing(Forbidden):
    code = "scope_missing"
    detail = "This API key may not do that. Use one whose scopes include it."


class OrganizationInactive(Forbidden):
    code = "org_inactive"
    detail = "This organisation is not active. Ask the operator of the platform to activate it."


class FeatureOff(Forbidden):
    code = "feature_off"
    detail = "An administrator of the organisation has switched this off."


class PersonMismatch(Forbidden):
    code = "person_mismatch"
    detail = "X-User-Id names another person than the bearer token. Leave the header out: the token says who asks."


class PersonBlocked(Forbidden):
    code = "person_blocked"
    detail = "An administrator of the organisation has blocked this person."


class OriginRefused(Forbidden):
    code = "origin_refused"
    detail = "A page of this origin may not call this address."


class NotFound(ServiceError):
    status = 404
    code = "not_found"
    detail = "There is nothing at this address."


class ConversationNotFound(NotFound):
    code = "conversation_not_found"
    detail = "There is no such conversation. Leave conversation_id out to start a new one."


class DestinationNotFound(NotFound):
    code = "destination_not_found"
    detail = "There is no such destination. The list of destinations has their ids."


class DocumentNotFound(NotFound):
    code = "document_not_found"
    detail = "There is no such document. The list of documents has their ids."


class MethodNotAllowed(ServiceError):
    status = 405
    code = "method_not_allowed"
    detail = "This address does not answer to that method."

    def __init__(self, allowed: tuple[str, ...]) -> None:
        super().__init__(f"Use {', '.join(allowed)} here.")
        self.allowed = allowed


class BodyTimeout(ServiceError):
    status = 408
    code = "body_timeout"
    detail = "The request body did not arrive in time. Send it again, faster or in less."


class ConversationBusy(ServiceError):
    status = 409
    code = "conversation_busy"
    detail = "Another message of this conversation is being answered. Wait for it, then send again."


class NothingToCancel(ServiceError):
    status = 409
    code = "nothing_to_cancel"
    detail = "No answer is under way here: it has ended, or was never begun. The conversation says how it ended."


class AccessChanged(ServiceError):
    status = 409
    code = "access_changed"
    detail = "Somebody else has changed this meanwhile. Read it again, and send your change with the new version."


class ApprovalGone(ServiceError):
    status = 409
    code = "approval_gone"
    detail = (
        "Nothing waits for this approval: it was answered, it expired, or another message came first. Nothing was "
        "changed by it; ask again."
    )


class ApprovalAnswered(ApprovalGone):
    code = "approval_answered"
    detail = "This approval was answered before, and that answer counts. The conversation says what was done."


class ApprovalExpired(ApprovalGone):
    code = "approval_expired"
    detail = "This approval has expired, and nothing was changed. Ask again."


class ApprovalChanged(ApprovalGone):
    code = "approval_changed"
    detail = "Other arguments wait for approval, and nothing was changed. Approve the call as it is, or decline it."


class QuestionGone(ServiceError):
    status = 409
    code = "question_gone"
    detail = "No such question waits here: it was answered, it expired, or another message came first. Ask again."


class QuestionAnswered(QuestionGone):
    code = "question_answered"
    detail = "This question was answered already. Its answer is in the conversation."


class QuestionExpired(QuestionGone):
    code = "question_expired"
    detail = "This question waited for too long. Send your own question again."


class DocumentBusy(ServiceError):
    status = 409
    code = "document_busy"
    detail = "This document is being read, or waits for its bytes. Its state says when that is over; try again then."


class KnowledgeFull(ServiceError):
    status = 409
    code = "knowledge_full"
    detail = "The organisation has as many documents as it may have. Delete some first."


class DestinationsFull(ServiceError):
    status = 409
    code = "destinations_full"
    detail = "The organisation has as many destinations as it may have. Delete one first."


class TooLarge(ServiceError):
    status = 413
    code = "payload_too_large"
    detail = "The request body is too large."


class EncodingNotSupported(ServiceError):
    status = 415
    code = "encoding_not_supported"
    detail = "Send the body as it is, without a Content-Encoding."


class Unprocessable(ServiceError):
    status = 422
    code = "invalid_body"
    detail = "The body does not have the expected shape."


class PriceUnknown(Unprocessable):
    code = "price_unknown"
    detail = "The price of this model is not known, so its cost cannot be limited. Set daily_token_limit instead."


class SetupRequired(Unprocessable):
    code = "setup_required"
    detail = "No chat model is set up for this organisation. Add a provider key and choose a model in the settings."


class KeyInvalid(Unprocessable):
    code = "key_invalid"
    detail = "The organisation's provider key does not work. Replace it in the settings."


class KeyExpired(KeyInvalid):
    code = "key_expired"
    detail = "The organisation's provider key has expired. Replace it in the settings."


class RateLimited(ServiceError):
    status = 429
    code = "rate_limited"
    detail = "Too many messages. Wait a little, then send again."


class TooManyTurns(RateLimited):
    code = "too_many_turns"
    detail = "Too many questions are being answered at the moment. Wait a little, then send again."


class CostCeiling(RateLimited):
    code = "cost_ceiling"
    detail = "What models may cost here is used up. Try again later, or have the limit raised."


class Unavailable(ServiceError):
    status = 503
    code = "unavailable"
    detail = "A service this depends on does not answer. Try again shortly."


class Restarting(Unavailable):
    code = "restarting"
    detail = "The service is being restarted. Send the message again."


class DocumentsUnavailable(Unavailable):
    code = "session_store_unavailable"
    detail = "The session store does not answer. Try again shortly."


class WarehouseUnavailable(Unavailable):
    code = "warehouse_unavailable"
    detail = "The data warehouse does not answer. Try again shortly."


class WarehouseBusy(WarehouseUnavailable):
    """BigQuery did not take a statement because others run; nothing of it was done, and it may be sent again."""

    code = "warehouse_busy"
    detail = "The data warehouse is busy with other changes. Try again shortly."


class IssuerUnavailable(Unavailable):
    code = "issuer_unavailable"
    detail = "The issuer of the token cannot be asked for its keys at the moment. Try again in a moment."


class KeyServiceUnavailable(Unavailable):
    code = "key_service_unavailable"
    detail = "The key service does not answer. Try again shortly."


class FilesUnavailable(Unavailable):
    code = "file_store_unavailable"
    detail = "The file store does not answer. Try again shortly."


class EmbeddingUnavailable(Unavailable):
    code = "embedding_unavailable"
    detail = "The embedding model does not answer. Try again shortly."


class ModelError(ServiceError):
    status = 502
    code = "model_error"
    detail = "The model provider answered with an error. Try again; if it persists, check the model in the settings."
    # Whether the model had begun to answer: then no other model may answer in its place.
    begun = False


class ModelNotFound(ModelError):
    status = 422
    code = "model_not_found"
    detail = "The provider does not know the chosen model, or the key may not use it. Choose another in the settings."


class ContextTooLong(ModelError):
    status = 422
    code = "context_too_long"
    detail = "The conversation no longer fits the model. Start a new one or choose a model with a larger window."


class ContentRefused(ModelError):
    status = 422
    code = "content_refused"
    detail = "The model provider refused to answer this message. Rephrase it."


class ModelCannotUseTools(ModelError):
    status = 422
    code = "model_cannot_use_tools"
    detail = "The chosen model cannot call tools, so it cannot read your data. Choose another model in the settings."


class ProviderRateLimited(ModelError):
    status = 429
    code = "rate_limited_by_provider"
    detail = "The model provider limits the organisation's key at the moment. Wait a little, then send again."


class ProviderUnavailable(ModelError):
    status = 503
    code = "provider_unavailable"
    detail = "The model provider does not answer. Try again shortly."


class ProviderTimeout(ModelError):
    status = 504
    code = "provider_timeout"
    detail = "The model provider took too long. Try again."

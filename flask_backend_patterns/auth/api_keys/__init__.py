"""API keys: for programs, with scopes and an expiry, hashed at rest."""

from .authenticator import ApiKeyAuthenticator
from .key_text import KeyText
from .keys import ApiKey, ApiKeys, NewApiKey

__all__ = ["ApiKey", "ApiKeyAuthenticator", "ApiKeys", "KeyText", "NewApiKey"]

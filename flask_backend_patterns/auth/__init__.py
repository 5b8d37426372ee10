"""Who is calling, how they show it, and what they may do."""

from .declarations import AuthDeclaration, Public, RequireAuth, RequirePermission, RequirePolicy, RequireRole
from .decorators import public, require_auth, require_permission, require_policy, require_role
from .identity import Actor, current_actor
from .issuing import issue_tokens, revoke_tokens
from .ownership import not_own, owns
from .passwords import hash_password, verify_password
from .permissions import Permissions
from .policy_rules import Context, policy
from .protocols import Notification
from .scope import can, scope_for
from .sqlalchemy_users import SQLAlchemyUsers
from .tables import auth_tables
from .users import UserAttributes, UserMixin

__all__ = [
    "Actor",
    "AuthDeclaration",
    "Context",
    "Notification",
    "Permissions",
    "Public",
    "RequireAuth",
    "RequirePermission",
    "RequirePolicy",
    "RequireRole",
    "SQLAlchemyUsers",
    "UserAttributes",
    "UserMixin",
    "auth_tables",
    "can",
    "current_actor",
    "hash_password",
    "issue_tokens",
    "not_own",
    "owns",
    "policy",
    "public",
    "require_auth",
    "require_permission",
    "require_policy",
    "require_role",
    "revoke_tokens",
    "scope_for",
    "verify_password",
]

"""Extension objects without an app; `create_app` binds them. `Api` is missing on purpose: it is one per app."""

from __future__ import annotations

from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import Session

from example_app.models.base import Base
from flask_backend_patterns import watch_changes

# Models are plain SQLAlchemy; the extension brings engines and the session of a request.
db = SQLAlchemy(metadata=Base.metadata)
migrate = Migrate(compare_type=True, compare_server_default=False, render_as_batch=True)
# Every session, whoever opens it: a request, `write_transaction`, a job, or `@idempotent` for a service that joins it.
watch_changes(Session)

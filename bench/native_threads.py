"""Nova chooses between eventlet and native threads when it is first imported: import this before it."""

from __future__ import annotations

import os

os.environ.setdefault("OS_NOVA_DISABLE_EVENTLET_PATCHING", "true")

from nova import monkey_patch

monkey_patch.patch(backend="threading")

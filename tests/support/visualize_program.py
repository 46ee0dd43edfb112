"""An application that asks for displaCy pages and has an answer to draw.

    python visualize_program.py END

END: ``flush`` for ``flush_tracker(finish=True)``, ``end`` for a program that just ends.
"""

from __future__ import annotations

import sys

from langchain_core.language_models.fake import FakeListLLM

from clearml_otel import ClearMLCallbackHandler

handler = ClearMLCallbackHandler(task_name="the pages", visualize=True)
model = FakeListLLM(responses=["Barack Obama was born in Hawaii."], callbacks=[handler])
model.invoke("Where was Obama born?")
model.invoke("And where was Obama born?")
if sys.argv[1] == "flush":
    handler.flush_tracker("a session", finish=True)

"""An application whose answers the installed textstat measures; the environment says so.

Its corpus is looked for in the folder NLTK_DATA alone, whatever the machine has elsewhere.
"""

from __future__ import annotations

import os

import nltk
from langchain_core.language_models.fake import FakeListLLM

from clearml_otel import ClearMLCallbackHandler

nltk.data.path[:] = [os.environ["NLTK_DATA"]]
handler = ClearMLCallbackHandler(task_name="the metrics", complexity_metrics=True)
model = FakeListLLM(responses=["The cat sat on the mat. It was happy."], callbacks=[handler])
model.invoke("Where did the cat sit?")
model.invoke("And where does it sit now?")
handler.flush_tracker("asked", finish=True)

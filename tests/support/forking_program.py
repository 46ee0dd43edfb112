"""Forks while a session is open; run by tests/unit/pipeline/test_pipeline_fork.py.

    python forking_program.py FOLDER WHEN

WHEN ``early``: before anything was published, ``late``: after the parent's first publication.
"""

from __future__ import annotations

import os
import sys

from clearml_otel import ClearMLCallbackHandler
from clearml_otel.langchain.sequence import position
from support.scripted_models import ScriptedLLM

os.environ |= {"CLEARML_OFFLINE_MODE": "1", "CLEARML_CACHE_DIR": sys.argv[1]}

handler = ClearMLCallbackHandler(project_name="a project", task_name="a task")
llm = ScriptedLLM(callbacks=[handler])
llm.invoke("parent before")
if sys.argv[2] == "late":
    handler.flush_tracker(name="first")
    llm.invoke("parent between")
parent = position(0)
child = os.fork()
if child == 0:
    assert position(0) != parent
    llm.invoke("child")
    handler.flush_tracker(name="mine", finish=True)
    sys.exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
llm.invoke("parent after")
handler.flush_tracker(name="mine", finish=True)

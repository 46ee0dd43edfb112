"""A constant for the variable of each setting, such as ``OTEL_EXPORTER_CLEARML_PROJECT_NAME``.

``opentelemetry-instrument`` reads this module and has an option for each constant in it, such as
``--exporter_clearml_project_name``.
"""

from __future__ import annotations

from dataclasses import fields

from clearml_otel.settings import ENV_PREFIX, Settings

globals().update({name: name for name in (ENV_PREFIX + f.name.upper() for f in fields(Settings))})

"""Each shape's program and records; and all of them together through ClearML's door."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from clearml_otel import ClearMLSpanProcessor
from clearml_otel.pipeline import pipeline
from clearml_otel.pipeline.process_spools import ProcessSpools
from clearml_otel.records import build_tables, group_sessions
from clearml_otel.spans import SpanRecord, from_readable_span
from support.session_files import SessionFiles, read_zip, the_only_zip
from support.shapes import Shapes, no_complaints


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shapes]:
    """A provider whose spans end in an offline session, which must hold every run."""
    folder = tmp_path_factory.mktemp("shapes")
    everything = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(everything))
    own_spools = ProcessSpools()
    with known_as_the_spools(own_spools):
        provider.add_span_processor(
            ClearMLSpanProcessor(
                task_name="shapes",
                session_name="shapes",
                offline=True,
                offline_folder=str(folder),
                spool=False,
                publish_interval_s=0,
                max_buffered_spans=1_000_000,
            )
        )
    yield Shapes(provider, everything)
    with no_complaints(), known_as_the_spools(own_spools):
        provider.shutdown()
    spans = [from_readable_span(span) for span in everything.get_finished_spans()]
    assert_published(read_zip(the_only_zip(folder)), spans)


@contextmanager
def known_as_the_spools(own: ProcessSpools) -> Iterator[None]:
    """Single tests close the spools of the process at their end: this one must outlive them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "spools", own)
        yield


def assert_published(files: SessionFiles, spans: list[SpanRecord]) -> None:
    """Every run and every action record is in the session's tables."""
    wanted = [build_tables(members) for members in group_sessions(spans).values()]
    assert sorted(cells(files, "Runs", "run_id")) == sorted(
        str(row[tables.runs.columns.index("run_id")])
        for tables in wanted
        for row in tables.runs.rows
    )
    assert sorted(cells(files, "Action Records", "action")) == sorted(
        str(record["action"]) for tables in wanted for record in tables.records
    )


def cells(files: SessionFiles, title: str, column: str) -> list[str]:
    """A column of all tables of a title, whatever their series and pages."""
    return [
        str(row[column])
        for (metric, _, _), table in files.tables.items()
        if metric == title
        for row in table.dicts()
    ]


@pytest.fixture
def shape(published: Shapes) -> Shapes:
    """Runs programs; see :class:`support.shapes.Shapes`."""
    return published

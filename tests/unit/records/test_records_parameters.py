"""What models were asked with, in a form that two experiments are compared by."""

from __future__ import annotations

from typing import Any

from clearml_otel.records.parameters import RequestParameters
from clearml_otel.spans import SpanRecord
from support.run_records import call, run_record, with_attributes


def asked_of(model: str, **request: Any) -> SpanRecord:
    own = {f"gen_ai__request__{key}": value for key, value in request.items()}
    return with_attributes(call("q", 1), gen_ai__request__model=model, **own)


def of(*spans: SpanRecord) -> dict[str, str]:
    parameters = RequestParameters()
    for span in spans:
        parameters.add([span])
    return parameters.as_text()


def test_one_way_of_asking() -> None:
    span = asked_of("gpt-4o", temperature=0.0, stop_sequences=("a", "b"), choice__count=2)
    assert of(span, span) == {
        "model": "gpt-4o",
        "temperature": "0.0",
        "stop_sequences": '["a", "b"]',
        "choice.count": "2",
    }


def test_several_say_which_model_was_given_what() -> None:
    assert of(
        asked_of("b", temperature=0.7, seed=1),
        asked_of("a", temperature=0.0, seed=1),
        asked_of("c", temperature=0.0),
    ) == {"model": "a, b, c", "temperature": "0.0 (a, c), 0.7 (b)", "seed": "1"}


def test_what_is_of_one_call_only_and_what_is_no_model_call_is_left_out() -> None:
    span = asked_of("m", stream=True, previous_response__id="r-1")
    assert of(span, run_record("chain", 1, gen_ai__request__temperature=1.0)) == {"model": "m"}


def test_many_values_and_long_ones_are_bounded_and_say_so() -> None:
    text = of(*(asked_of("m", seed=n, user="x" * 10_000) for n in range(10_000)))
    assert text["seed"].count("(m)") == 20
    assert text["seed"].endswith(", …")
    assert len(text["user"]) == 200
    many = of(*(asked_of(f"m{n}") for n in range(1_000)))
    assert many["model"].count(",") == 20
    assert len(of(asked_of("m", **{f"p{n}": n for n in range(1_000)}))) == 50
